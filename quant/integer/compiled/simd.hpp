// Registers of SIZE bytes: what `kernels.cpp` needs of SSSE3, AVX2 and AVX-512.
//
// `low` and `high` put the bytes of two registers beside each other, in turn; `products` gives a[i] * wa + b[i] * wb of them
// in int16. In each 16 bytes, the first 8 pixels stand in `low` and the others in `high`; `bytes` joins both in that order.
#pragma once
#if !defined(__SSSE3__)
#error "made for SSSE3 and what followed it"
#endif
#include <immintrin.h>

template <int SIZE>
struct Simd;

template <>
struct Simd<16> {
  using Register = __m128i;
  static Register load(const uint8_t* from) { return _mm_loadu_si128((const __m128i*)from); }
  static void store(uint8_t* to, Register a) { _mm_storeu_si128((__m128i*)to, a); }
  static Register splat(int16_t value) { return _mm_set1_epi16(value); }
  static Register splat_pair(const int32_t* pair) { return _mm_set1_epi32(*pair); }
  static Register low(Register a, Register b) { return _mm_unpacklo_epi8(a, b); }
  static Register high(Register a, Register b) { return _mm_unpackhi_epi8(a, b); }
  static Register products(Register pixels, Register weights) { return _mm_maddubs_epi16(pixels, weights); }
  static Register add(Register a, Register b) { return _mm_add_epi16(a, b); }
  static Register scaled(Register a, Register b) { return _mm_mulhrs_epi16(a, b); }
  static Register left(Register a, int count) { return _mm_sll_epi16(a, _mm_cvtsi32_si128(count)); }
  static Register right(Register a, int count) { return _mm_sra_epi16(a, _mm_cvtsi32_si128(count)); }
  static Register less(Register a, Register b) { return _mm_min_epi16(a, b); }
  static Register passed(Register a, Register b) { return _mm_cmpgt_epi16(a, b); }
  static Register subtract(Register a, Register b) { return _mm_sub_epi16(a, b); }
  static Register bytes(Register low, Register high) { return _mm_packus_epi16(low, high); }
  static Register greatest(Register a, Register b) { return _mm_max_epu8(a, b); }
};

#if defined(__AVX2__)
template <>
struct Simd<32> {
  using Register = __m256i;
  static Register load(const uint8_t* from) { return _mm256_loadu_si256((const __m256i*)from); }
  static void store(uint8_t* to, Register a) { _mm256_storeu_si256((__m256i*)to, a); }
  static Register splat(int16_t value) { return _mm256_set1_epi16(value); }
  static Register splat_pair(const int32_t* pair) { return _mm256_set1_epi32(*pair); }
  static Register low(Register a, Register b) { return _mm256_unpacklo_epi8(a, b); }
  static Register high(Register a, Register b) { return _mm256_unpackhi_epi8(a, b); }
  static Register products(Register pixels, Register weights) { return _mm256_maddubs_epi16(pixels, weights); }
  static Register add(Register a, Register b) { return _mm256_add_epi16(a, b); }
  static Register scaled(Register a, Register b) { return _mm256_mulhrs_epi16(a, b); }
  static Register left(Register a, int count) { return _mm256_sll_epi16(a, _mm_cvtsi32_si128(count)); }
  static Register right(Register a, int count) { return _mm256_sra_epi16(a, _mm_cvtsi32_si128(count)); }
  static Register less(Register a, Register b) { return _mm256_min_epi16(a, b); }
  static Register passed(Register a, Register b) { return _mm256_cmpgt_epi16(a, b); }
  static Register subtract(Register a, Register b) { return _mm256_sub_epi16(a, b); }
  static Register bytes(Register low, Register high) { return _mm256_packus_epi16(low, high); }
  static Register greatest(Register a, Register b) { return _mm256_max_epu8(a, b); }
};
#endif

#if defined(__AVX512BW__)
template <>
struct Simd<64> {
  using Register = __m512i;
  static Register load(const uint8_t* from) { return _mm512_loadu_si512(from); }
  static void store(uint8_t* to, Register a) { _mm512_storeu_si512(to, a); }
  static Register splat(int16_t value) { return _mm512_set1_epi16(value); }
  static Register splat_pair(const int32_t* pair) { return _mm512_set1_epi32(*pair); }
  static Register low(Register a, Register b) { return _mm512_unpacklo_epi8(a, b); }
  static Register high(Register a, Register b) { return _mm512_unpackhi_epi8(a, b); }
  static Register products(Register pixels, Register weights) { return _mm512_maddubs_epi16(pixels, weights); }
  static Register add(Register a, Register b) { return _mm512_add_epi16(a, b); }
  static Register scaled(Register a, Register b) { return _mm512_mulhrs_epi16(a, b); }
  static Register left(Register a, int count) { return _mm512_sll_epi16(a, _mm_cvtsi32_si128(count)); }
  static Register right(Register a, int count) { return _mm512_sra_epi16(a, _mm_cvtsi32_si128(count)); }
  static Register less(Register a, Register b) { return _mm512_min_epi16(a, b); }
  static Register passed(Register a, Register b) { return _mm512_movm_epi16(_mm512_cmpgt_epi16_mask(a, b)); }
  static Register subtract(Register a, Register b) { return _mm512_sub_epi16(a, b); }
  static Register bytes(Register low, Register high) { return _mm512_packus_epi16(low, high); }
  static Register greatest(Register a, Register b) { return _mm512_max_epu8(a, b); }
};
constexpr int WIDEST = 64;
#elif defined(__AVX2__)
constexpr int WIDEST = 32;
#else
constexpr int WIDEST = 16;
#endif
