// Nearest upsampling by a whole factor for Vitis HLS: Y[y][x] = X[y / FACTOR][x / FACTOR].
//
// Streams: pixels in raster order, one frame a call; a pixel is GROUPS beats. One output beat an iteration: in the first
// row of FACTOR from the stream, in the others from the line that the first has left. C++14.
#ifndef EDGESEG_UPSAMPLE_NEAREST_HPP
#define EDGESEG_UPSAMPLE_NEAREST_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int GROUPS, int FACTOR, typename BEAT>
void upsample_nearest(hls::stream<BEAT> &in, hls::stream<BEAT> &out) {
    BEAT line[WIDTH * GROUPS], pixel[GROUPS];

    for (int row = 0; row < FACTOR * HEIGHT; row++) {
        for (int col = 0; col < WIDTH; col++) {
            for (int copy = 0; copy < FACTOR; copy++) {
                for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                    BEAT beat = pixel[group];
                    if (copy == 0) {
                        const bool fresh = row % FACTOR == 0;
                        beat = fresh ? in.read() : line[col * GROUPS + group];
                        if (fresh) line[col * GROUPS + group] = beat;
                        pixel[group] = beat;
                    }
                    out.write(beat);
                }
            }
        }
    }
}

#endif
