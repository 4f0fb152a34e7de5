// Between the layers of a dataflow design, for Vitis HLS: constants as streams, and beats of other sizes and kinds.
//
// A beat is an ap_uint, element i in bits [i*BITS +: BITS], or an hls::vector. C++14.
#ifndef EDGESEG_STREAMS_HPP
#define EDGESEG_STREAMS_HPP

#include <ap_int.h>
#include <hls_stream.h>
#include <hls_vector.h>

// The words of a memory, over and over.
template <int REPEATS, int DEPTH, typename WORD>
void stream_memory(const WORD (&memory)[DEPTH], hls::stream<WORD> &out) {
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        for (int i = 0; i < DEPTH; i++) {
#pragma HLS PIPELINE II=1
            out.write(memory[i]);
        }
    }
}

template <int BITS, int WIDTH>
ap_uint<BITS> beat_element(const ap_uint<WIDTH> &beat, int i) {
    return beat.range((i + 1) * BITS - 1, i * BITS);
}
template <int BITS, typename T, std::size_t N>
ap_uint<BITS> beat_element(const hls::vector<T, N> &beat, int i) {
    return beat[i].range(BITS - 1, 0);
}
template <int BITS, int WIDTH>
void set_beat_element(ap_uint<WIDTH> &beat, int i, const ap_uint<BITS> &element) {
    beat.range((i + 1) * BITS - 1, i * BITS) = element;
}
template <int BITS, typename T, std::size_t N>
void set_beat_element(hls::vector<T, N> &beat, int i, const ap_uint<BITS> &element) {
    beat[i].range(BITS - 1, 0) = element;
}

// BEATS beats of FROM elements -> beats of TO elements, where one of the two divides the other.
template <int BEATS, int BITS, int FROM, int TO, typename IN, typename OUT>
void convert_beats(hls::stream<IN> &in, hls::stream<OUT> &out) {
    static_assert(FROM % TO == 0 || TO % FROM == 0, "one size must divide the other");
    constexpr int PARTS = FROM > TO ? FROM / TO : 1, WHOLES = TO > FROM ? TO / FROM : 1;
    IN wide;
    OUT beat;
    for (int i = 0; i < BEATS * PARTS; i++) {
#pragma HLS PIPELINE II=1
        const int part = i % PARTS, whole = i % WHOLES;
        if (part == 0) wide = in.read();
        for (int element = 0; element < FROM / PARTS; element++) {
#pragma HLS UNROLL
            set_beat_element<BITS>(beat, whole * FROM + element,
                                   beat_element<BITS>(wide, part * TO + element));
        }
        if (whole == WHOLES - 1) out.write(beat);
    }
}

#endif
