// Zeros around an image for Vitis HLS: rows and pixels, and groups of channels. No zero of a frame leaves before the frame's
// first beat is there, which is read ahead.
//
// Streams: pixels in raster order, one frame a call; a pixel is GROUPS beats of the input. One output beat an iteration.
// C++14.
#ifndef EDGESEG_ZERO_PAD_HPP
#define EDGESEG_ZERO_PAD_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int GROUPS, int TOP, int LEFT, int BOTTOM, int RIGHT, int BEFORE, int BEHIND,
          typename BEAT>
void zero_pad(hls::stream<BEAT> &in, hls::stream<BEAT> &out) {
    const BEAT first = in.read();
    bool first_waits = true;

    for (int row = -TOP; row < HEIGHT + BOTTOM; row++) {
        for (int col = -LEFT; col < WIDTH + RIGHT; col++) {
            for (int group = -BEFORE; group < GROUPS + BEHIND; group++) {
#pragma HLS PIPELINE II=1
                const bool inside = row >= 0 && row < HEIGHT && col >= 0 && col < WIDTH && group >= 0 && group < GROUPS;
                BEAT beat = 0;
                if (inside) {
                    beat = first;
                    if (!first_waits) beat = in.read();
                    first_waits = false;
                }
                out.write(beat);
            }
        }
    }
}

#endif
