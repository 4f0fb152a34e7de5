// A table of codes for Vitis HLS: Y = T[c][a], or Y = T[c][a, b] of two streams, any function of codes.
//
// Streams: pixels in raster order, one frame a call; a pixel is GROUPS beats of PE channels, lane p of a beat in bits
// [p*BITS +: BITS]; the bits of a code, those of a above those of b, are the place of its word. Row g*PE + p of T is of
// lane p of beat g of a pixel, or its only row of all. One beat an iteration. C++14.
#ifndef EDGESEG_CODE_TABLE_HPP
#define EDGESEG_CODE_TABLE_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int PIXELS, int GROUPS, int PE, int A_BITS, int Y_BITS, int ROWS, int WORDS>
void code_table(hls::stream<ap_uint<PE * A_BITS>> &a, hls::stream<ap_uint<PE * Y_BITS>> &y,
                const ap_uint<Y_BITS> (&table)[ROWS][WORDS]) {
    static_assert(ROWS == 1 || ROWS == GROUPS * PE, "the table must have one row, or one a channel");
    static_assert(WORDS == 1 << A_BITS, "the table must hold every code");
    for (int pixel = 0; pixel < PIXELS; pixel++) {
        for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
            const ap_uint<PE * A_BITS> codes = a.read();
            ap_uint<PE * Y_BITS> beat = 0;
            for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                const ap_uint<A_BITS> code = codes.range((lane + 1) * A_BITS - 1, lane * A_BITS);
                beat.range((lane + 1) * Y_BITS - 1, lane * Y_BITS) = table[ROWS == 1 ? 0 : group * PE + lane][code];
            }
            y.write(beat);
        }
    }
}

template <int PIXELS, int GROUPS, int PE, int A_BITS, int B_BITS, int Y_BITS, int ROWS, int WORDS>
void code_table(hls::stream<ap_uint<PE * A_BITS>> &a, hls::stream<ap_uint<PE * B_BITS>> &b,
                hls::stream<ap_uint<PE * Y_BITS>> &y, const ap_uint<Y_BITS> (&table)[ROWS][WORDS]) {
    static_assert(ROWS == 1 || ROWS == GROUPS * PE, "the table must have one row, or one a channel");
    static_assert(WORDS == 1 << (A_BITS + B_BITS), "the table must hold every pair of codes");
    for (int pixel = 0; pixel < PIXELS; pixel++) {
        for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
            const ap_uint<PE * A_BITS> of_a = a.read();
            const ap_uint<PE * B_BITS> of_b = b.read();
            ap_uint<PE * Y_BITS> beat = 0;
            for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                ap_uint<A_BITS + B_BITS> code = 0;
                code.range(A_BITS + B_BITS - 1, B_BITS) = of_a.range((lane + 1) * A_BITS - 1, lane * A_BITS);
                code.range(B_BITS - 1, 0) = of_b.range((lane + 1) * B_BITS - 1, lane * B_BITS);
                beat.range((lane + 1) * Y_BITS - 1, lane * Y_BITS) = table[ROWS == 1 ? 0 : group * PE + lane][code];
            }
            y.write(beat);
        }
    }
}

#endif
