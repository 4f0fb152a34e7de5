// Passes over tensors of bfloat16 or float32 in training, for quant/layers/passes.py: BN, activation and quantizer in one.
//
// A tensor is rows of channels (channels last). Tables hold a number for each channel, repeated to a period that is whole
// registers and whole rows. Sums are made in float over a block, in double over blocks, and in an order that does not
// depend on the number of threads.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

extern "C" {

// y = clamp(z, low, high), or scale * round(clamp(z / scale, low, high)), ties to even; gradients pass where
// above < z < below.
struct Activation {
  float low, high, above, below, scale;
  int32_t rounds;
};
}

namespace {

#ifdef __AVX512F__
constexpr int WIDTH = 16;  // numbers in a register: the compiler takes a choice between wider vectors apart
#else
constexpr int WIDTH = 8;
#endif
constexpr int LEAST_PERIOD = 64, SOME = 9;
constexpr int64_t BLOCK = 1 << 15, SHARE = 1 << 18;  // numbers: of a sum in float, and of what a thread is given
typedef float Floats __attribute__((vector_size(4 * WIDTH)));
typedef int32_t Masks __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t Bits __attribute__((vector_size(4 * WIDTH)));
typedef uint16_t Halves __attribute__((vector_size(2 * WIDTH)));

template <class To, class From>
To as(From from) {
  To to;
  static_assert(sizeof to == sizeof from, "same bits");
  memcpy(&to, &from, sizeof to);
  return to;
}

Floats load(const float* from) {
  Floats v;
  memcpy(&v, from, sizeof v);
  return v;
}
void store(float* to, Floats v) { memcpy(to, &v, sizeof v); }

// A number of a tensor is uint16_t, the upper half of a float (bfloat16), or float.
float widened(float from) { return from; }
float widened(uint16_t from) { return as<float>(uint32_t(from) << 16); }
Floats widened(const float* from) { return load(from); }
Floats widened(const uint16_t* from) {
  Halves h;
  memcpy(&h, from, sizeof h);
  return as<Floats>(__builtin_convertvector(h, Bits) << 16);
}

void narrow(float* to, Floats v) { store(to, v); }
// To the nearest, ties to even; a NaN stays one. The processor's own instruction takes numbers below 2**-126 for 0.
void narrow(uint16_t* to, Floats v) {
#ifdef __AVX512BF16__
  auto h = _mm512_cvtneps_pbh(as<__m512>(v));
#else
  Bits bits = as<Bits>(v);
  Bits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  Halves h = __builtin_convertvector(v == v ? rounded : (bits >> 16) | 0x40, Halves);
#endif
  memcpy(to, &h, sizeof h);
}

Floats where(Masks mask, Floats a, Floats b) {
  return mask ? a : b;
}

Floats splat(float v) { return Floats{} + v; }

Floats activated(Floats z, const Activation& a) {
  const float to_integer = 12582912.0f;  // 1.5 * 2**23: a sum with it is rounded to an integer
  if (a.rounds) z *= splat(1 / a.scale);
  z = where(z < splat(a.low), splat(a.low), z);
  z = where(z > splat(a.high), splat(a.high), z);
  return a.rounds ? (z + to_integer - to_integer) * a.scale : z;
}

Floats passed(Floats gradient, Floats z, const Activation& a) {
  Floats zero = {};
  Floats part = z > splat(a.above) ? gradient : zero;
  return z < splat(a.below) ? part : zero;
}

int period_of(int channels) {
  int period = channels;
  while (period % WIDTH) period += channels;
  int once = period;
  while (period < LEAST_PERIOD) period += once;
  return period;
}

std::vector<float> repeated(const float* table, int channels, int period) {
  std::vector<float> all(period);
  for (int i = 0; i < period; i++) all[i] = table[i % channels];
  return all;
}

// Numbers of a share: whole periods.
int64_t of_share(int period) { return std::max<int64_t>(1, SHARE / period) * period; }
int64_t shares(int64_t count, int period) { return (count + of_share(period) - 1) / of_share(period); }

// `work(first, last, share)` for the numbers of each share, on `threads` threads.
template <class Work>
void in_shares(int64_t count, int period, int64_t threads, Work work) {
  const int64_t size = of_share(period), all = shares(count, period);
  threads = std::max<int64_t>(1, std::min(threads, all));
  auto run = [&](int64_t thread) {
    for (int64_t s = thread; s < all; s += threads) work(s * size, std::min(count, (s + 1) * size), s);
  };
  std::vector<std::thread> others;
  for (int64_t t = 1; t < threads; t++) others.emplace_back(run, t);
  run(0);
  for (auto& other : others) other.join();
}

// `function` with the addresses of a register of each tensor, its place in the period and how many of its numbers are the
// tensor's: all but for the last of a tensor. It captures by value: what it stores may lie anywhere, so that everything it
// refers to would be read again.
template <class Number, class Function>
void each(int64_t first, int64_t last, int period, const Number* x, const Number* g, Number* y, Function function) {
  for (int64_t at = first; at < last; at += period) {
    int64_t left = std::min<int64_t>(period, last - at);
    int k = 0;
    for (; k + WIDTH <= left; k += WIDTH) function(x + at + k, g ? g + at + k : nullptr, y ? y + at + k : nullptr, k, WIDTH);
    if (k < left) {
      Number xs[WIDTH] = {}, gs[WIDTH] = {}, ys[WIDTH];
      memcpy(xs, x + at + k, sizeof(Number) * (left - k));
      if (g) memcpy(gs, g + at + k, sizeof(Number) * (left - k));
      function(xs, gs, ys, k, left - k);
      if (y) memcpy(y + at + k, ys, sizeof(Number) * (left - k));
    }
  }
}

Floats first_of(Floats v, int count) {
  Masks mask = {};
  for (int i = 0; i < count; i++) mask[i] = -1;
  return as<Floats>(as<Bits>(v) & Bits(mask));
}

// Sums over rows of the two numbers that `terms(x, g, k)` gives: (2, channels) float64.
template <class Number, class Terms>
std::vector<double> sums(const Number* x, const Number* g, int64_t count, int channels, int threads, Terms terms) {
  const int period = period_of(channels);
  const int64_t all_shares = shares(count, period);
  std::vector<double> parts(all_shares * 2 * channels);
  in_shares(count, period, threads, [&](int64_t first, int64_t last, int64_t share) {
    std::vector<float> a(period), b(period);
    float *ap = a.data(), *bp = b.data();
    const Terms of = terms;
    double* mine = parts.data() + share * 2 * channels;
    int64_t of_block = std::max<int64_t>(1, BLOCK / period) * period;
    for (int64_t from = first; from < last; from += of_block) {
      std::fill(a.begin(), a.end(), 0.0f);
      std::fill(b.begin(), b.end(), 0.0f);
      each<Number>(from, std::min(last, from + of_block), period, x, g, nullptr,
                   [=](const Number* xs, const Number* gs, Number*, int k, int valid) {
             Floats first_term, second_term;
             of(xs, gs, k, first_term, second_term);
             if (valid < WIDTH) {
               first_term = first_of(first_term, valid);
               second_term = first_of(second_term, valid);
             }
             store(ap + k, load(ap + k) + first_term);
             store(bp + k, load(bp + k) + second_term);
           });
      for (int i = 0; i < period; i++) {
        mine[i % channels] += a[i];
        mine[channels + i % channels] += b[i];
      }
    }
  });
  std::vector<double> all(2 * channels);
  for (int64_t s = 0; s < all_shares; s++) {
    for (int i = 0; i < 2 * channels; i++) all[i] += parts[s * 2 * channels + i];
  }
  return all;
}

// The median of some numbers of each channel of x (rows, C), of those that are finite: near the mean, whatever one is.
template <class Number>
std::vector<float> medians(const Number* x, int64_t rows, int32_t channels) {
  std::vector<float> found(channels), some;
  for (int c = 0; c < channels; c++) {
    some.clear();
    for (int i = 0; i < SOME; i++) {
      double place = (i + 1) * 0.6180339887498949;  // golden: no period of columns, rows or images meets it
      float v = widened(x[int64_t(rows * (place - std::floor(place))) * channels + c]);
      if (std::isfinite(v)) some.push_back(v);
    }
    std::sort(some.begin(), some.end());
    if (!some.empty()) found[c] = some[some.size() / 2];
  }
  return found;
}

// Mean and biased variance (C) of x (rows, C).
template <class Number>
void statistics(const Number* x, int64_t rows, int32_t channels, float* mean, float* variance, int32_t threads) {
  const std::vector<float> first = medians(x, rows, channels);
  auto from = repeated(first.data(), channels, period_of(channels));  // so that squares stay small
  const float* near = from.data();
  auto all = sums<Number>(x, nullptr, rows * channels, channels, threads,
                  [=](const Number* xs, const Number*, int k, Floats& a, Floats& b) {
                    a = widened(xs) - load(near + k);
                    b = a * a;
                  });
  for (int c = 0; c < channels; c++) {
    double shift = all[c] / rows;
    mean[c] = float(first[c] + shift);
    double found = all[channels + c] / rows - shift * shift;
    variance[c] = float(found < 0 ? 0 : found);  // of what is no number: none
  }
}

// y = activation(z), z = gain * (x - mean) + shift; tables (C).
template <class Number>
void forward(const Number* x, Number* y, int64_t rows, int32_t channels, const float* mean, const float* gain,
             const float* shift, const Activation* activation, int32_t threads) {
  const int period = period_of(channels);
  auto m = repeated(mean, channels, period), g = repeated(gain, channels, period), s = repeated(shift, channels, period);
  const Activation act = *activation;
  const float *mp = m.data(), *gp = g.data(), *sp = s.data();
  in_shares(rows * channels, period, threads, [&](int64_t first, int64_t last, int64_t) {
    each<Number>(first, last, period, x, nullptr, y, [=](const Number* xs, const Number*, Number* ys, int k, int) {
      narrow(ys, activated((widened(xs) - load(mp + k)) * load(gp + k) + load(sp + k), act));
    });
  });
}

// Sums over rows (2, C) of the gradient that the activation of z lets pass, and of its product with x - mean.
template <class Number>
void backward_sums(const Number* x, const Number* gradient, int64_t rows, int32_t channels, const float* mean,
                   const float* gain, const float* shift, const Activation* activation, double* found,
                   int32_t threads) {
  const int period = period_of(channels);
  auto m = repeated(mean, channels, period), g = repeated(gain, channels, period), s = repeated(shift, channels, period);
  const Activation act = *activation;
  const float *mp = m.data(), *gp = g.data(), *sp = s.data();
  auto all = sums<Number>(x, gradient, rows * channels, channels, threads,
                  [=](const Number* xs, const Number* gs, int k, Floats& a, Floats& b) {
                    Floats v = widened(xs) - load(mp + k);
                    a = passed(widened(gs), v * load(gp + k) + load(sp + k), act);
                    b = a * v;
                  });
  std::copy(all.begin(), all.end(), found);
}

// dx = gain * passed gradient + slope * (x - mean) + offset; tables (C).
template <class Number>
void backward(const Number* x, const Number* gradient, Number* dx, int64_t rows, int32_t channels, const float* mean,
              const float* gain, const float* shift, const float* slope, const float* offset,
              const Activation* activation, int32_t threads) {
  const int period = period_of(channels);
  auto m = repeated(mean, channels, period), g = repeated(gain, channels, period), s = repeated(shift, channels, period);
  auto l = repeated(slope, channels, period), o = repeated(offset, channels, period);
  const float *lp = l.data(), *op = o.data();
  const Activation act = *activation;
  const float *mp = m.data(), *gp = g.data(), *sp = s.data();
  in_shares(rows * channels, period, threads, [&](int64_t first, int64_t last, int64_t) {
    each<Number>(first, last, period, x, gradient, dx, [=](const Number* xs, const Number* gs, Number* to, int k, int) {
      Floats v = widened(xs) - load(mp + k), gains = load(gp + k);
      Floats z = passed(widened(gs), v * gains + load(sp + k), act);
      narrow(to, z * gains + v * load(lp + k) + load(op + k));
    });
  });
}

}  // namespace

#define EDGESEG_PASSES(NUMBER, NAME)                                                                                    \
  extern "C" {                                                                                                         \
  void edgeseg_statistics_##NAME(const NUMBER* x, int64_t rows, int32_t channels, float* mean, float* variance,        \
                                 int32_t threads) {                                                                    \
    statistics(x, rows, channels, mean, variance, threads);                                                            \
  }                                                                                                                    \
  void edgeseg_forward_##NAME(const NUMBER* x, NUMBER* y, int64_t rows, int32_t channels, const float* mean,           \
                              const float* gain, const float* shift, const Activation* activation, int32_t threads) {  \
    forward(x, y, rows, channels, mean, gain, shift, activation, threads);                                             \
  }                                                                                                                    \
  void edgeseg_backward_sums_##NAME(const NUMBER* x, const NUMBER* gradient, int64_t rows, int32_t channels,           \
                                    const float* mean, const float* gain, const float* shift,                          \
                                    const Activation* activation, double* found, int32_t threads) {                    \
    backward_sums(x, gradient, rows, channels, mean, gain, shift, activation, found, threads);                         \
  }                                                                                                                    \
  void edgeseg_backward_##NAME(const NUMBER* x, const NUMBER* gradient, NUMBER* dx, int64_t rows, int32_t channels,    \
                               const float* mean, const float* gain, const float* shift, const float* slope,           \
                               const float* offset, const Activation* activation, int32_t threads) {                   \
    backward(x, gradient, dx, rows, channels, mean, gain, shift, slope, offset, activation, threads);                  \
  }                                                                                                                    \
  }

EDGESEG_PASSES(uint16_t, bfloat16)
EDGESEG_PASSES(float, float32)
