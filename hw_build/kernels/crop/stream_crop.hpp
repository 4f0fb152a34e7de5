// A part of an image for Vitis HLS: rows and columns from FIRST to LAST in steps, and groups of channels alike; the rest
// is passed over.
//
// Streams: pixels in raster order, one frame a call; a pixel is GROUPS beats, of which GROUP_FIRST to GROUP_LAST stay. One
// input beat an iteration. Limits: LAST is FIRST and a whole number of steps, inside the image. C++14.
#ifndef EDGESEG_STREAM_CROP_HPP
#define EDGESEG_STREAM_CROP_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int ROW_FIRST, int ROW_LAST, int ROW_STEP, int COL_FIRST, int COL_LAST, int COL_STEP,
          int GROUPS, int GROUP_FIRST, int GROUP_LAST, typename BEAT>
void stream_crop(hls::stream<BEAT> &in, hls::stream<BEAT> &out) {
    int next_row = ROW_FIRST;  // the next that stays

    for (int row = 0; row < HEIGHT; row++) {
        const bool row_stays = row == next_row && row <= ROW_LAST;
        int next_col = COL_FIRST;
        for (int col = 0; col < WIDTH; col++) {
            for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                const BEAT beat = in.read();
                const bool col_stays = col == next_col && col <= COL_LAST;
                if (row_stays && col_stays && group >= GROUP_FIRST && group <= GROUP_LAST) out.write(beat);
                if (col_stays && group == GROUPS - 1) next_col += COL_STEP;
            }
        }
        if (row_stays) next_row += ROW_STEP;
    }
}

#endif
