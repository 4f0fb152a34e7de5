// Sums of values of each channel for Vitis HLS: Y[pixel][c] = sum over the times of X[pixel][time][c].
//
// Streams: one frame a call; what makes a pixel of Y is TIMES x GROUPS beats of PE channels, one time after the other; lane
// p of a beat in bits [p*width +: width]. X and Y are ap_int or ap_uint; Y holds every sum. One input beat an iteration;
// the last time gives the sums. C++14.
#ifndef EDGESEG_CHANNEL_SUM_HPP
#define EDGESEG_CHANNEL_SUM_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int PIXELS, int TIMES, int GROUPS, int PE, typename X, typename Y>
void channel_sum(hls::stream<ap_uint<PE * X::width>> &in, hls::stream<ap_uint<PE * Y::width>> &out) {
    ap_uint<PE * Y::width> sums[GROUPS];  // so far

    for (int pixel = 0; pixel < PIXELS; pixel++) {
        for (int time = 0; time < TIMES; time++) {
            for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                const ap_uint<PE * X::width> beat = in.read();
                ap_uint<PE * Y::width> before = 0, after = 0;
                if (time > 0) before = sums[group];
                for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                    const X x = beat.range((lane + 1) * X::width - 1, lane * X::width);
                    const Y so_far = before.range((lane + 1) * Y::width - 1, lane * Y::width);
                    const Y sum = so_far + x;
                    after.range((lane + 1) * Y::width - 1, lane * Y::width) = sum;
                }
                sums[group] = after;
                if (time == TIMES - 1) out.write(after);
            }
        }
    }
}

#endif
