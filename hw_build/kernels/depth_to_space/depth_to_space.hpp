// Depth to space for Vitis HLS: Y[BLOCK*y + i][BLOCK*x + j] = part (i, j) of X[y][x].
//
// Streams: pixels in raster order, one frame a call; an input pixel is BLOCK x BLOCK parts of GROUPS beats, (i, j) in
// raster order; a part is a pixel of the output. Parts of row i = 0 of a block pass, the others wait in lines until the
// input row has come: a beat an iteration, and BLOCK - 1 of BLOCK beats once more. C++14.
#ifndef EDGESEG_DEPTH_TO_SPACE_HPP
#define EDGESEG_DEPTH_TO_SPACE_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int GROUPS, int BLOCK, typename BEAT>
void depth_to_space(hls::stream<BEAT> &in, hls::stream<BEAT> &out) {
    constexpr int STRIP = BLOCK * GROUPS, ROW = WIDTH * STRIP;  // beats of a row of a block, and of the output

    BEAT lines[(BLOCK - 1) * ROW];

    for (int row = 0; row < HEIGHT; row++) {
        for (int col = 0; col < WIDTH; col++) {
            for (int i = 0; i < BLOCK; i++) {
                for (int beat = 0; beat < STRIP; beat++) {
#pragma HLS PIPELINE II=1
                    const BEAT part = in.read();
                    if (i == 0) out.write(part);
                    else lines[(i - 1) * ROW + col * STRIP + beat] = part;
                }
            }
        }
        for (int place = 0; place < (BLOCK - 1) * ROW; place++) {
#pragma HLS PIPELINE II=1
            out.write(lines[place]);
        }
    }
}

#endif
