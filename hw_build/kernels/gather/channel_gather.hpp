// Channels of each pixel in another order, left out or repeated, for Vitis HLS: Y[pixel][n] = X[pixel][index[n]].
//
// Streams: one frame a call; a pixel of X is GROUPS_IN beats, of Y GROUPS_OUT, of PE channels of BITS bits, lane p in bits
// [p*BITS +: BITS]. While a pixel leaves, the next one comes: max(GROUPS_IN, GROUPS_OUT) iterations a pixel. C++14.
#ifndef EDGESEG_CHANNEL_GATHER_HPP
#define EDGESEG_CHANNEL_GATHER_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int PIXELS, int GROUPS_IN, int GROUPS_OUT, int PE, int BITS>
void channel_gather(hls::stream<ap_uint<PE * BITS>> &in, hls::stream<ap_uint<PE * BITS>> &out,
                    const int (&index)[GROUPS_OUT * PE]) {
    constexpr int STEPS = GROUPS_IN > GROUPS_OUT ? GROUPS_IN : GROUPS_OUT;

    ap_uint<BITS> pixels[2][GROUPS_IN * PE];  // one comes, one leaves
#pragma HLS ARRAY_PARTITION variable=pixels complete dim=0

    for (int pixel = 0; pixel <= PIXELS; pixel++) {
        for (int step = 0; step < STEPS; step++) {
#pragma HLS PIPELINE II=1
            if (pixel < PIXELS && step < GROUPS_IN) {
                const ap_uint<PE * BITS> beat = in.read();
                for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                    pixels[pixel % 2][step * PE + lane] = beat.range((lane + 1) * BITS - 1, lane * BITS);
                }
            }
            if (pixel > 0 && step < GROUPS_OUT) {
                ap_uint<PE * BITS> beat = 0;
                for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                    const ap_uint<BITS> channel = pixels[(pixel - 1) % 2][index[step * PE + lane]];
                    beat.range((lane + 1) * BITS - 1, lane * BITS) = channel;
                }
                out.write(beat);
            }
        }
    }
}

#endif
