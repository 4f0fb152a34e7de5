// Stand-in for finn-hlslib, C simulation only: what FINN's generated layers call of it, in plain integers.
//
// A beat of n elements of T holds element i in bits [i*T::width +: T::width]. Sums are formed in 64 bits and cast to
// the activation's type once, which for two's complement is what summing in that type gives.
#ifndef EDGESEG_CSIM_BNN_LIBRARY_H
#define EDGESEG_CSIM_BNN_LIBRARY_H

#include <ap_int.h>
#include <hls_stream.h>
#include <hls_vector.h>

#include <cstddef>
#include <cstdint>
#include <vector>

struct ap_resource_dflt {};
struct ap_resource_lut {};
struct ap_resource_dsp {};

// How the elements of a beat are read and written.
template <typename T>
struct Slice {
    using type = T;

    template <int WIDTH>
    struct View {
        ap_uint<WIDTH> beat;

        T operator()(unsigned element, unsigned) const {
            const int low = int(element) * T::width;
            return T(beat.range(low + T::width - 1, low));
        }
    };

    template <int WIDTH>
    View<WIDTH> operator()(const ap_uint<WIDTH> &beat) const {
        return {beat};
    }
};
struct Identity {};  // weights as they are

template <typename T, int WIDTH>
int64_t element_of(const ap_uint<WIDTH> &beat, int index) {
    if (WIDTH <= 64) {
        const uint64_t field = (beat.to_uint64() >> (index * T::width)) & (~uint64_t(0) >> (64 - T::width));
        return T(field).to_int64();
    }
    return T(beat.range((index + 1) * T::width - 1, index * T::width)).to_int64();
}

template <typename T, int WIDTH>
void set_element(ap_uint<WIDTH> &beat, int index, const T &value) {
    beat.range((index + 1) * T::width - 1, index * T::width) = value.range(T::width - 1, 0);
}

// Words of constants that come over and over: element i of word `place` is taken apart once.
template <typename T, int ELEMENTS, int WIDTH>
class Constants {
  public:
    explicit Constants(std::size_t words) : known(words) {}

    const int64_t *operator()(std::size_t place, const ap_uint<WIDTH> &word) {
        Known &entry = known[place];
        if (entry.elements.empty() || entry.word != word) {
            entry.word = word;
            entry.elements.resize(ELEMENTS);
            for (int i = 0; i < ELEMENTS; i++) entry.elements[i] = element_of<T>(word, i);
        }
        return entry.elements.data();
    }

  private:
    struct Known {
        ap_uint<WIDTH> word;
        std::vector<int64_t> elements;
    };
    std::vector<Known> known;
};

namespace comp {
template <typename A, typename B>
struct less_equal {
    bool operator()(const A &a, const B &b) const { return a <= b; }
};
}  // namespace comp

// Activations: what becomes of the sum of channel nf*PE + pe.
template <typename T>
struct PassThroughActivation {
    T activate(unsigned, unsigned, int64_t sum) const { return T(sum); }
};

template <unsigned NF, unsigned PE, unsigned STEPS, typename TA, typename TR, int START, typename COMPARE>
struct ThresholdsActivation {
    TA m_thresholds[PE][NF][STEPS];

    TR activate(unsigned nf, unsigned pe, int64_t sum) const {
        int passed = START;
        for (unsigned i = 0; i < STEPS; i++) passed += COMPARE()(m_thresholds[pe][nf][i], TA(sum));
        return TR(passed);
    }
};

// Rows of MW inputs to MH sums, SIMD x PE products a weight word; weights come anew for each row, element pe*SIMD+simd
// of word nf*(MW/SIMD) + sf being W[nf*PE + pe][sf*SIMD + simd].
template <unsigned MW, unsigned MH, unsigned SIMD, unsigned PE, typename TSrcI, typename TDstI, typename TWeightI,
          typename TW, int IN, int OUT, int WEIGHTS, typename ACTIVATION, typename RESOURCE>
void Matrix_Vector_Activate_Stream_Batch(hls::stream<ap_uint<IN>> &in, hls::stream<ap_uint<OUT>> &out,
                                         hls::stream<ap_uint<WEIGHTS>> &weights, const ACTIVATION &activation,
                                         int rows, const RESOURCE &) {
    Constants<TW, PE * SIMD, WEIGHTS> taken(MH / PE * (MW / SIMD));
    int64_t x[MW];
    for (int row = 0; row < rows; row++) {
        for (unsigned sf = 0; sf < MW / SIMD; sf++) {
            const ap_uint<IN> beat = in.read();
            for (unsigned i = 0; i < SIMD; i++) x[sf * SIMD + i] = element_of<typename TSrcI::type>(beat, i);
        }
        for (unsigned nf = 0; nf < MH / PE; nf++) {
            int64_t sums[PE] = {};
            for (unsigned sf = 0; sf < MW / SIMD; sf++) {
                const int64_t *w = taken(nf * (MW / SIMD) + sf, weights.read());
                for (unsigned pe = 0; pe < PE; pe++)
                    for (unsigned i = 0; i < SIMD; i++) sums[pe] += w[pe * SIMD + i] * x[sf * SIMD + i];
            }
            ap_uint<OUT> result = 0;
            for (unsigned pe = 0; pe < PE; pe++)
                set_element(result, pe, typename TDstI::type(activation.activate(nf, pe, sums[pe])));
            out.write(result);
        }
    }
}

// One filter of TAPS a channel. Element i*PE + pe of input beat nf*(TAPS/SIMD) + sf is tap sf*SIMD + i of channel
// nf*PE + pe. Of a weight word the taps of a channel come last first, other than a matrix-vector unit's columns: element
// pe*SIMD + (SIMD-1 - i) of word nf*(TAPS/SIMD) + sf is W[nf*PE + pe][sf*SIMD + i].
template <unsigned CHANNELS, unsigned TAPS, unsigned SIMD, unsigned PE, unsigned MMV, typename TSrcI, typename TDstI,
          typename TWeightI, typename TW, int IN, int OUT, int WEIGHTS, typename ACTIVATION, typename RESOURCE>
void Vector_Vector_Activate_Stream_Batch(hls::stream<ap_uint<IN>> &in, hls::stream<ap_uint<OUT>> &out,
                                         hls::stream<ap_uint<WEIGHTS>> &weights, const ACTIVATION &activation,
                                         int pixels, const RESOURCE &) {
    Constants<TW, PE * SIMD, WEIGHTS> taken(CHANNELS / PE * (TAPS / SIMD));
    for (int pixel = 0; pixel < pixels; pixel++) {
        for (unsigned nf = 0; nf < CHANNELS / PE; nf++) {
            int64_t sums[PE] = {};
            for (unsigned sf = 0; sf < TAPS / SIMD; sf++) {
                const ap_uint<IN> beat = in.read();
                const int64_t *w = taken(nf * (TAPS / SIMD) + sf, weights.read());
                for (unsigned pe = 0; pe < PE; pe++)
                    for (unsigned i = 0; i < SIMD; i++)
                        sums[pe] += w[pe * SIMD + (SIMD - 1 - i)] * element_of<typename TSrcI::type>(beat, i * PE + pe);
            }
            ap_uint<OUT> result = 0;
            for (unsigned pe = 0; pe < PE; pe++)
                set_element(result, pe, typename TDstI::type(activation.activate(nf, pe, sums[pe])));
            out.write(result);
        }
    }
}

// How many of a channel's STEPS thresholds an element reaches, from START on; element pe*STEPS + i of threshold word nf
// is T[nf*PE + pe][i]. The thresholds come anew for each pixel.
template <unsigned PIXELS, unsigned CHANNELS, unsigned PE, typename TSrcI, typename TDstI, int START, typename TT,
          unsigned STEPS, int IN, int OUT, int THRESHOLDS>
void Thresholding_Stream_Batch(hls::stream<ap_uint<IN>> &in, hls::stream<ap_uint<OUT>> &out,
                               hls::stream<ap_uint<THRESHOLDS>> &thresholds, int frames) {
    Constants<TT, PE * STEPS, THRESHOLDS> taken(CHANNELS / PE);
    for (int beat = 0; beat < frames * int(PIXELS * (CHANNELS / PE)); beat++) {
        const ap_uint<IN> x = in.read();
        const int64_t *t = taken(beat % (CHANNELS / PE), thresholds.read());
        ap_uint<OUT> result = 0;
        for (unsigned pe = 0; pe < PE; pe++) {
            const int64_t compared = TT(element_of<typename TSrcI::type>(x, pe)).to_int64();
            int passed = START;
            for (unsigned i = 0; i < STEPS; i++) passed += t[pe * STEPS + i] <= compared;
            set_element(result, pe, typename TDstI::type(passed));
        }
        out.write(result);
    }
}

// The same with constants of the layer: a function of each element of channel nf*PE + pe.
template <unsigned PIXELS, unsigned CHANNELS, unsigned PE, typename TSrcI, typename TDstI, int IN, int OUT,
          typename ACTIVATION>
void Thresholding_Batch(hls::stream<ap_uint<IN>> &in, hls::stream<ap_uint<OUT>> &out, const ACTIVATION &activation,
                        int frames) {
    for (int beat = 0; beat < frames * int(PIXELS * (CHANNELS / PE)); beat++) {
        const ap_uint<IN> x = in.read();
        ap_uint<OUT> result = 0;
        for (unsigned pe = 0; pe < PE; pe++) {
            const int64_t element = element_of<typename TSrcI::type>(x, pe);
            set_element(result, pe, typename TDstI::type(activation.activate(beat % (CHANNELS / PE), pe, element)));
        }
        out.write(result);
    }
}

#endif
