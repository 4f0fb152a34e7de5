// Multiplication by a factor of the place for Vitis HLS: Y[row][col][c] = X[row][col][c] * rows[row] * columns[col], exact.
//
// Streams: pixels in raster order, one frame a call; a pixel is GROUPS beats of PE channels, lane p of a beat in bits
// [p*width +: width]. X and Y are ap_int or ap_uint, ROW, COLUMN and FACTOR ap_uint; FACTOR holds every product of two
// factors, Y every result. One input beat an iteration. C++14.
#ifndef EDGESEG_PLACE_FACTOR_HPP
#define EDGESEG_PLACE_FACTOR_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int GROUPS, int PE, typename X, typename Y, typename FACTOR, typename ROW,
          typename COLUMN>
void place_factor(hls::stream<ap_uint<PE * X::width>> &in, hls::stream<ap_uint<PE * Y::width>> &out,
                  const ROW (&rows)[HEIGHT], const COLUMN (&columns)[WIDTH]) {
    for (int row = 0; row < HEIGHT; row++) {
        for (int col = 0; col < WIDTH; col++) {
            for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                const ap_uint<PE * X::width> beat = in.read();
                const FACTOR factor = rows[row] * columns[col];
                ap_uint<PE * Y::width> products = 0;
                for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                    const X x = beat.range((lane + 1) * X::width - 1, lane * X::width);
                    const Y y = x * factor;
                    products.range((lane + 1) * Y::width - 1, lane * Y::width) = y;
                }
                out.write(products);
            }
        }
    }
}

#endif
