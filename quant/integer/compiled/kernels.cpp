// Integer operators on planes of 8-bit codes, for quant/integer/compiled: a call is a step of an integer program.
//
// Codes are stored from 0: q = code - least code. A plane has `stride` bytes a row and a border around its H x W pixels
// that holds the code of zero, so no kernel asks where an image ends; behind it lies room for reads of whole registers.
// Sums of products stand in int16 where every partial sum fits, else in float32, where they are integers below 2**24: both
// are exact in any order.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "simd.hpp"

extern "C" {

struct Planes {
  uint8_t* data;  // pixel 0, 0 of channel 0
  int64_t plane;  // bytes from a channel to the next
  int64_t stride;
  int32_t channels, height, width;
};

// Sums to codes, a row for each channel of which sums differ (`rows`; 1: all share it):
//   LINE16:  q = (round(sum * 2**left * factor / 2**15) + constant) >> right, within 0 and steps; of sums in int16
//   COUNT16: q = number of thresholds <= sum * factor, which is 1 or -1; of sums in int16
//   LINE32:  q = round(scale * sum + offset), within floor and ceiling; of sums in float32
//   COUNT32: q = number of thresholds <= sum * scale, which is 1 or -1; of sums in float32
enum Form : int32_t { LINE16, COUNT16, LINE32, COUNT32 };
struct Staircase {
  const int16_t *left, *factor, *constant, *right, *thresholds16;
  const float *scale, *offset, *floor, *ceiling, *thresholds32;
  int32_t rows, steps, form;
};

// A sum of `taps` for each output, which begins with its start. A tap is the address of the byte that belongs to pixel 0, 0
// of the output; taps of a group follow those of the one before. In pairs, for int16: weights are int8, each pair twice.
struct Filters {
  const uint8_t* const* taps;  // (groups, count)
  const void* weights;         // int32_t or float, ordered as `edgeseg_together` takes outputs: (count, outputs taken)
  const int16_t* start16;
  const float* start32;
  int64_t stride;  // of the planes that are read
  int32_t outputs, groups, count;
};

// How many outputs of a group are computed at once, `left` being left.
int edgeseg_together(int left) { return left >= 4 ? 4 : left >= 2 ? 2 : 1; }
}

namespace {

// ---- int16: products of pairs of taps ----------------------------------------------------------------------------------

template <int SIZE>
typename Simd<SIZE>::Register codes_of(const Staircase& s, int row, typename Simd<SIZE>::Register sums) {
  using S = Simd<SIZE>;
  if (s.form == LINE16) {
    auto y = S::scaled(S::left(sums, s.left[row]), S::splat(s.factor[row]));
    y = S::right(S::add(y, S::splat(s.constant[row])), s.right[row]);
    return S::less(y, S::splat(int16_t(s.steps)));  // `bytes` makes 0 of what is negative
  }
  if (s.factor[row] < 0) sums = S::subtract(S::splat(0), sums);
  const int16_t* thresholds = s.thresholds16 + int64_t(row) * s.steps;
  auto count = S::splat(0);
  for (int t = 0; t < s.steps; t++) {
    count = S::subtract(count, S::passed(sums, S::splat(int16_t(thresholds[t] - 1))));
  }
  return count;
}

// `OUTPUTS` sums of a register of pixels each, WIDE registers from x on, as two registers of int16.
template <int SIZE, int OUTPUTS, int WIDE>
inline __attribute__((always_inline)) void span16(const Filters& f, const uint8_t* const* taps, const int32_t* weights,
                                                  int o, int64_t at, int x, int width, const Staircase* s,
                                                  uint8_t* const* rows, int32_t* logits) {
  using S = Simd<SIZE>;
  typename S::Register low[OUTPUTS][WIDE], high[OUTPUTS][WIDE];
#pragma GCC unroll 4
  for (int p = 0; p < OUTPUTS; p++) {
#pragma GCC unroll 4
    for (int i = 0; i < WIDE; i++) low[p][i] = high[p][i] = S::splat(f.start16[o + p]);
  }
  for (int t = 0; t < f.count; t += 2, weights += OUTPUTS) {
    const uint8_t *first = taps[t] + at + x, *second = taps[t + 1] + at + x;
    typename S::Register below[WIDE], above[WIDE];
#pragma GCC unroll 4
    for (int i = 0; i < WIDE; i++) {
      const auto a = S::load(first + i * SIZE), b = S::load(second + i * SIZE);
      below[i] = S::low(a, b);
      above[i] = S::high(a, b);
    }
#pragma GCC unroll 4
    for (int p = 0; p < OUTPUTS; p++) {
      const auto pair = S::splat_pair(weights + p);
#pragma GCC unroll 4
      for (int i = 0; i < WIDE; i++) {
        low[p][i] = S::add(low[p][i], S::products(below[i], pair));
        high[p][i] = S::add(high[p][i], S::products(above[i], pair));
      }
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < OUTPUTS; p++) {
#pragma GCC unroll 4
    for (int i = 0; i < WIDE; i++) {
      const int from = x + i * SIZE, count = std::min(SIZE, width - from);
      if (count <= 0) break;
      if (s) {
        const int row = s->rows == 1 ? 0 : o + p;
        const auto codes = S::bytes(codes_of<SIZE>(*s, row, low[p][i]), codes_of<SIZE>(*s, row, high[p][i]));
        if (count == SIZE) {
          S::store(rows[p] + from, codes);
        } else {
          uint8_t whole[SIZE];
          S::store(whole, codes);
          std::memcpy(rows[p] + from, whole, count);
        }
      } else {
        int16_t sums[2][SIZE / 2];
        S::store((uint8_t*)sums[0], low[p][i]);
        S::store((uint8_t*)sums[1], high[p][i]);
        for (int n = 0; n < count; n++) {  // in parts of 16 bytes, 8 pixels are low and 8 are high
          logits[int64_t(from + n) * f.outputs + o + p] = sums[n / 8 % 2][n / 16 * 8 + n % 8];
        }
      }
    }
  }
}

template <int SIZE>
struct Row16 {
  using Weight = int32_t;
  static constexpr int APART = 2;  // taps of a weight
  template <int OUTPUTS>
  static void run(const Filters& f, const uint8_t* const* taps, const int32_t* weights, int o, int64_t at, int width,
                  const Staircase* s, uint8_t* const* rows, int32_t* logits) {
    constexpr int WIDE = SIZE == 64 ? 2 : 1;  // as many sums as there are registers for
    int x = 0;
    for (; width - x > (WIDE - 1) * SIZE; x += WIDE * SIZE) {
      span16<SIZE, OUTPUTS, WIDE>(f, taps, weights, o, at, x, width, s, rows, logits);
    }
    for (; x < width; x += SIZE) span16<SIZE, OUTPUTS, 1>(f, taps, weights, o, at, x, width, s, rows, logits);
  }
};

// ---- float32 ---------------------------------------------------------------------------------------------------------

constexpr int LANES = WIDEST / 4;
typedef float Sums __attribute__((vector_size(WIDEST)));
typedef int32_t Whole __attribute__((vector_size(WIDEST)));
typedef uint8_t Bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

inline Sums pixels_of(const uint8_t* from) {
#if defined(__AVX512BW__)
  return (Sums)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)from)));
#elif defined(__AVX2__)
  return (Sums)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)from)));
#else
  return __builtin_convertvector(*(const Bytes*)from, Sums);
#endif
}

inline Bytes codes_of(const Staircase& s, int row, Sums sums) {
  if (s.form == LINE32) {
    Sums y = sums * s.scale[row] + s.offset[row];
    const Sums low = s.floor[row] - Sums{}, high = s.ceiling[row] - Sums{};
    y = y < low ? low : y;
    y = y > high ? high : y;
    return __builtin_convertvector(__builtin_convertvector(y + 0.5f, Whole), Bytes);
  }
  sums *= s.scale[row];
  const float* thresholds = s.thresholds32 + int64_t(row) * s.steps;
  Whole count{};
  for (int t = 0; t < s.steps; t++) count -= sums >= thresholds[t] - Sums{};
  return __builtin_convertvector(count, Bytes);
}

template <int OUTPUTS, int WIDE>
inline __attribute__((always_inline)) void span32(const Filters& f, const uint8_t* const* taps, const float* weights, int o,
                                                  int64_t at, int x, int width, const Staircase* s, uint8_t* const* rows,
                                                  int32_t* logits) {
  Sums sums[OUTPUTS][WIDE];
#pragma GCC unroll 4
  for (int p = 0; p < OUTPUTS; p++) {
#pragma GCC unroll 4
    for (int i = 0; i < WIDE; i++) sums[p][i] = f.start32[o + p] - Sums{};
  }
  for (int t = 0; t < f.count; t++, weights += OUTPUTS) {
    Sums pixels[WIDE];
#pragma GCC unroll 4
    for (int i = 0; i < WIDE; i++) pixels[i] = pixels_of(taps[t] + at + x + i * LANES);
#pragma GCC unroll 4
    for (int p = 0; p < OUTPUTS; p++) {
#pragma GCC unroll 4
      for (int i = 0; i < WIDE; i++) sums[p][i] += pixels[i] * weights[p];
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < OUTPUTS; p++) {
#pragma GCC unroll 4
    for (int i = 0; i < WIDE; i++) {
      const int from = x + i * LANES, count = std::min(LANES, width - from);
      if (count <= 0) break;
      if (s) {
        const Bytes codes = codes_of(*s, s->rows == 1 ? 0 : o + p, sums[p][i]);
        std::memcpy(rows[p] + from, &codes, count);
      } else {
        for (int n = 0; n < count; n++) logits[int64_t(from + n) * f.outputs + o + p] = int32_t(sums[p][i][n]);
      }
    }
  }
}

struct Row32 {
  using Weight = float;
  static constexpr int APART = 1;
  template <int OUTPUTS>
  static void run(const Filters& f, const uint8_t* const* taps, const float* weights, int o, int64_t at, int width,
                  const Staircase* s, uint8_t* const* rows, int32_t* logits) {
    constexpr int WIDE = WIDEST == 64 ? 4 : 2;
    int x = 0;
    for (; width - x > (WIDE - 1) * LANES; x += WIDE * LANES) {
      span32<OUTPUTS, WIDE>(f, taps, weights, o, at, x, width, s, rows, logits);
    }
    for (; x < width; x += LANES) span32<OUTPUTS, 1>(f, taps, weights, o, at, x, width, s, rows, logits);
  }
};

// ---- both ------------------------------------------------------------------------------------------------------------

template <class Row>
void filter(const Filters& f, const Staircase* s, const Planes& out, int32_t* logits) {
  const int of_group = f.outputs / f.groups;
  for (int y = 0; y < out.height; y++) {
    const auto* weights = static_cast<const typename Row::Weight*>(f.weights);
    for (int o = 0, together; o < f.outputs; o += together) {
      together = edgeseg_together(of_group - o % of_group);
      const uint8_t* const* taps = f.taps + int64_t(o / of_group) * f.count;
      uint8_t* rows[4];
      for (int p = 0; p < together; p++) rows[p] = s ? out.data + (o + p) * out.plane + y * out.stride : nullptr;
      int32_t* row = logits + int64_t(y) * out.width * f.outputs;
      const auto run = together == 4 ? Row::template run<4> : together == 2 ? Row::template run<2> : Row::template run<1>;
      run(f, taps, weights, o, y * f.stride, out.width, s, rows, row);
      weights += int64_t(f.count) / Row::APART * together;
    }
  }
}

}  // namespace

extern "C" {

// Codes, or, without a staircase, logits (H, W, O).
void edgeseg_filter16(const Filters* f, const Staircase* s, const Planes* out, int32_t* logits) {
#if defined(__AVX512BW__)
  if (out->width > 32) return filter<Row16<64>>(*f, s, *out, logits);
#endif
#if defined(__AVX2__)
  if (out->width > 16) return filter<Row16<32>>(*f, s, *out, logits);
#endif
  filter<Row16<16>>(*f, s, *out, logits);
}

void edgeseg_filter32(const Filters* f, const Staircase* s, const Planes* out, int32_t* logits) {
  filter<Row32>(*f, s, *out, logits);
}

// Bilinear by 2: sixteenths of 9, 3, 3 and 1 of the nearest four pixels, those beyond the image being the last ones. `room`
// is for 3 * width + 64 numbers.
void edgeseg_bilinear_2(const Planes* in, int start, const Staircase* s, const Planes* out, int16_t* room) {
  using S = Simd<16>;
  const int width = in->width;
  int16_t *column = room, *sums = room + width + 16;  // three quarters of a row and one of the nearer other; sixteenths
  for (int c = 0; c < out->channels; c++) {
    const int row = s->rows == 1 ? 0 : c;
    for (int y = 0; y < out->height; y++) {
      const int near = y / 2, far = std::clamp(y % 2 ? near + 1 : near - 1, 0, in->height - 1);
      const uint8_t *first = in->data + c * in->plane + near * in->stride;
      const uint8_t *second = in->data + c * in->plane + far * in->stride;
      for (int x = 0; x < width; x++) column[x + 1] = int16_t(3 * first[x] + second[x]);
      column[0] = column[1];
      column[width + 1] = column[width];
      for (int x = 0; x < width; x++) {
        sums[2 * x] = int16_t(3 * column[x + 1] + column[x] + start);
        sums[2 * x + 1] = int16_t(3 * column[x + 1] + column[x + 2] + start);
      }
      uint8_t* to = out->data + c * out->plane + y * out->stride;
      for (int x = 0; x < out->width; x += 16) {
        uint8_t codes[16];
        const auto low = S::load((const uint8_t*)(sums + x)), high = S::load((const uint8_t*)(sums + x + 8));
        S::store(codes, S::bytes(codes_of<16>(*s, row, low), codes_of<16>(*s, row, high)));
        std::memcpy(to + x, codes, std::min(16, out->width - x));
      }
    }
  }
}

// The greatest of the taps of each channel, (channels, count) addresses as those of filters.
void edgeseg_max(const uint8_t* const* taps, int count, int64_t stride, const Planes* out) {
  using S = Simd<WIDEST>;
  for (int c = 0; c < out->channels; c++, taps += count) {
    for (int y = 0; y < out->height; y++) {
      for (int x = 0; x < out->width; x += WIDEST) {
        auto y_max = S::load(taps[0] + y * stride + x);
        for (int t = 1; t < count; t++) y_max = S::greatest(y_max, S::load(taps[t] + y * stride + x));
        uint8_t codes[WIDEST];
        S::store(codes, y_max);
        std::memcpy(out->data + c * out->plane + y * out->stride + x, codes, std::min(WIDEST, out->width - x));
      }
    }
  }
}

// Every `step`th pixel from each of the first `step` rows and columns on, border and all, as planes of their own: channel
// (c*step + row)*step + column.
void edgeseg_phases(const uint8_t* first, int64_t plane, int64_t stride, int channels, int step, uint8_t* to,
                    int64_t to_plane, int64_t to_stride, int height, int width) {
  for (int c = 0; c < channels; c++) {
    for (int p = 0; p < step * step; p++, to += to_plane) {
      for (int y = 0; y < height; y++) {
        const uint8_t* from = first + c * plane + int64_t(y * step + p / step) * stride + p % step;
        if (step == 2) for (int x = 0; x < width; x++) to[y * to_stride + x] = from[2 * x];
        else for (int x = 0; x < width; x++) to[y * to_stride + x] = from[x * step];
      }
    }
  }
}

// words (rows, 256): the code for each code of the source; rows 1: the same for all channels.
void edgeseg_table(const Planes* in, const uint8_t* words, int rows, const Planes* out) {
  for (int c = 0; c < out->channels; c++) {
    const uint8_t* row = words + (rows == 1 ? 0 : int64_t(c) * 256);
    for (int y = 0; y < out->height; y++) {
      const uint8_t* from = in->data + c * in->plane + y * in->stride;
      uint8_t* to = out->data + c * out->plane + y * out->stride;
      for (int x = 0; x < out->width; x++) to[x] = row[from[x]];
    }
  }
}

// The channels of `in` become those of `out` from `first` on, each pixel `factor` times in each direction.
void edgeseg_place(const Planes* in, int factor, int first, const Planes* out) {
  for (int c = 0; c < in->channels; c++) {
    for (int y = 0; y < out->height; y++) {
      const uint8_t* from = in->data + c * in->plane + (y / factor) * in->stride;
      uint8_t* to = out->data + (first + c) * out->plane + y * out->stride;
      if (factor == 1) std::memcpy(to, from, out->width);
      else for (int x = 0; x < out->width; x++) to[x] = from[x / factor];
    }
  }
}

// (H, W, C) bytes to planes.
void edgeseg_planes(const uint8_t* pixels, const Planes* out) {
  for (int c = 0; c < out->channels; c++) {
    for (int y = 0; y < out->height; y++) {
      const uint8_t* from = pixels + int64_t(y) * out->width * out->channels + c;
      uint8_t* to = out->data + c * out->plane + y * out->stride;
      for (int x = 0; x < out->width; x++) to[x] = from[int64_t(x) * out->channels];
    }
  }
}

}  // extern "C"
