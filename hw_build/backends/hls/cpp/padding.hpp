// Zeros around an image, for Vitis HLS.
//
// Streams: pixels in raster order, one frame a call; a pixel is GROUPS beats. One output beat a cycle. C++14.
#ifndef EDGESEG_PADDING_HPP
#define EDGESEG_PADDING_HPP

#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int GROUPS, int TOP, int LEFT, int BOTTOM, int RIGHT, typename BEAT>
void pad_image(hls::stream<BEAT> &in, hls::stream<BEAT> &out) {
    for (int row = -TOP; row < HEIGHT + BOTTOM; row++) {
        for (int col = -LEFT; col < WIDTH + RIGHT; col++) {
            for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                const bool inside = row >= 0 && row < HEIGHT && col >= 0 && col < WIDTH;
                BEAT beat = 0;
                if (inside) beat = in.read();
                out.write(beat);
            }
        }
    }
}

#endif
