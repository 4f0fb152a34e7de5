// The maximum over the taps of windows for Vitis HLS: Y[pixel][c] = max over t of X[pixel][t][c].
//
// Streams: one frame a call; a window is TAPS x CHANNELS/PE beats, tap after tap; lane p of beat g is channel g*PE+p in
// bits [p*width +: width]. One input beat an iteration; the last tap gives the maxima.
// Limits: PE divides CHANNELS. C++14.
#ifndef EDGESEG_WINDOW_MAX_HPP
#define EDGESEG_WINDOW_MAX_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int PIXELS, int TAPS, int CHANNELS, int PE, typename X>
void window_max(hls::stream<ap_uint<PE * X::width>> &in, hls::stream<ap_uint<PE * X::width>> &out) {
    static_assert(CHANNELS % PE == 0, "PE must divide CHANNELS");
    constexpr int GROUPS = CHANNELS / PE;

    ap_uint<PE * X::width> greatest[GROUPS];  // of the taps so far

    for (int pixel = 0; pixel < PIXELS; pixel++) {
        for (int tap = 0; tap < TAPS; tap++) {
            for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                const ap_uint<PE * X::width> beat = in.read();
                ap_uint<PE * X::width> result = greatest[group];
                for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                    const X x = beat.range((lane + 1) * X::width - 1, lane * X::width);
                    const X before = result.range((lane + 1) * X::width - 1, lane * X::width);
                    if (tap == 0 || x > before) result.range((lane + 1) * X::width - 1, lane * X::width) = x;
                }
                greatest[group] = result;
                if (tap == TAPS - 1) out.write(result);
            }
        }
    }
}

#endif
