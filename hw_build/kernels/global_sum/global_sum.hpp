// Sums of all pixels of a frame for Vitis HLS: Y[c] = sum over the pixels of X[pixel][c].
//
// Streams: one frame a call; a pixel is GROUPS beats of PE channels, lane p of a beat in bits [p*width +: width]. X and Y
// are ap_int or ap_uint; Y holds every sum. One input beat an iteration; the last pixel gives the sums. C++14.
#ifndef EDGESEG_GLOBAL_SUM_HPP
#define EDGESEG_GLOBAL_SUM_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int PIXELS, int GROUPS, int PE, typename X, typename Y>
void global_sum(hls::stream<ap_uint<PE * X::width>> &in, hls::stream<ap_uint<PE * Y::width>> &out) {
    ap_uint<PE * Y::width> sums[GROUPS];  // of the pixels so far

    for (int pixel = 0; pixel < PIXELS; pixel++) {
        for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
            const ap_uint<PE * X::width> beat = in.read();
            ap_uint<PE * Y::width> before = 0, after = 0;
            if (pixel > 0) before = sums[group];
            for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                const X x = beat.range((lane + 1) * X::width - 1, lane * X::width);
                const Y so_far = before.range((lane + 1) * Y::width - 1, lane * Y::width);
                const Y sum = so_far + x;
                after.range((lane + 1) * Y::width - 1, lane * Y::width) = sum;
            }
            sums[group] = after;
            if (pixel == PIXELS - 1) out.write(after);
        }
    }
}

#endif
