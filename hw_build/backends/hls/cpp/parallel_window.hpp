// The windows of a convolution, all taps of one in a beat, for Vitis HLS: KH x KW pixels for each output pixel, without
// padding.
//
// Streams: pixels in raster order, one frame a call; an input pixel is a beat. An output beat holds tap (ky, kx) in bits
// [(ky*KW + kx)*PIXEL::width +: PIXEL::width].
//
// How. Lines hold the rows of a window but the newest, registers the window itself. One input beat an iteration; where a
// window ends at its pixel, an output beat.
// Limits: the window, of dilation (DH, DW), lies inside the image; stride (SH, SW) >= 1. C++14.
#ifndef EDGESEG_PARALLEL_WINDOW_HPP
#define EDGESEG_PARALLEL_WINDOW_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int KH, int KW, int SH, int SW, int DH, int DW, typename PIXEL, typename TAPS>
void parallel_window(hls::stream<PIXEL> &in, hls::stream<TAPS> &out) {
    constexpr int SPAN = DH * (KH - 1) + 1, SPAN_W = DW * (KW - 1) + 1;
    static_assert(SPAN <= HEIGHT && SPAN_W <= WIDTH, "the window must lie inside the image");
    static_assert(TAPS::width == KH * KW * PIXEL::width, "TAPS must hold all taps");

    PIXEL lines[SPAN][WIDTH];  // row SPAN - 1 is the newest
    PIXEL window[SPAN][SPAN_W];
#pragma HLS ARRAY_PARTITION variable=lines complete dim=1
#pragma HLS ARRAY_PARTITION variable=window complete dim=0

    for (int row = 0; row < HEIGHT; row++) {
        for (int col = 0; col < WIDTH; col++) {
#pragma HLS PIPELINE II=1
            for (int y = 0; y < SPAN; y++) {
#pragma HLS UNROLL
                for (int x = 0; x < SPAN_W - 1; x++) {
#pragma HLS UNROLL
                    window[y][x] = window[y][x + 1];
                }
                const PIXEL newest = y == SPAN - 1 ? in.read() : lines[y + 1 < SPAN ? y + 1 : 0][col];
                window[y][SPAN_W - 1] = newest;
                lines[y][col] = newest;
            }
            const int top = row - (SPAN - 1), left = col - (SPAN_W - 1);
            if (top >= 0 && top % SH == 0 && left >= 0 && left % SW == 0) {
                TAPS beat = 0;
                for (int tap = 0; tap < KH * KW; tap++) {
#pragma HLS UNROLL
                    beat.range((tap + 1) * PIXEL::width - 1, tap * PIXEL::width) = window[tap / KW * DH][tap % KW * DW];
                }
                out.write(beat);
            }
        }
    }
}

#endif
