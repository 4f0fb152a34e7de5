// The windows of a convolution or a pooling, for Vitis HLS: KH x KW pixels for each output pixel, without padding.
//
// Streams: pixels in raster order, one frame a call; an input pixel is GROUPS beats of SIMD channels. For each output
// pixel come, by DEPTHWISE,
//
//   false:  [ky][kx][group], each one input beat        true:  [group][ky][kx], each one input beat
//
// How. The rows of a window, and those that are new in the next window, lie in a ring of SPAN + SH rows. While the windows
// of an output row go out, the rows for the next one come in: one beat in and one beat out a cycle at most. Where more
// come in than go out, the row takes as long as they need.
// Limits: the window, of dilation (DH, DW), lies inside the image; stride (SH, SW) >= 1. C++14.
#ifndef EDGESEG_SLIDING_WINDOW_HPP
#define EDGESEG_SLIDING_WINDOW_HPP

#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int GROUPS, int KH, int KW, int SH, int SW, int DH, int DW, bool DEPTHWISE, typename BEAT>
void sliding_window(hls::stream<BEAT> &in, hls::stream<BEAT> &out) {
    constexpr int SPAN = DH * (KH - 1) + 1, SPAN_W = DW * (KW - 1) + 1;
    static_assert(SPAN <= HEIGHT && SPAN_W <= WIDTH, "the window must lie inside the image");
    constexpr int RING = SPAN + SH, OUT_HEIGHT = (HEIGHT - SPAN) / SH + 1, OUT_WIDTH = (WIDTH - SPAN_W) / SW + 1;
    constexpr int ROW_IN = WIDTH * GROUPS, ROW_OUT = OUT_WIDTH * KH * KW * GROUPS;

    BEAT ring[RING][ROW_IN];
    int arrived = 0;  // rows that lie in the ring, or did
    for (int fill = 0; fill < SPAN * ROW_IN; fill++) {
#pragma HLS PIPELINE II=1
        ring[fill / ROW_IN][fill % ROW_IN] = in.read();
    }
    arrived = SPAN;
    for (int row = 0; row < OUT_HEIGHT; row++) {
        const bool last = row == OUT_HEIGHT - 1;
        const int coming = (last ? HEIGHT - arrived : SH) * ROW_IN;  // after the last windows, what no window needs
        const int steps = coming > ROW_OUT ? coming : ROW_OUT;
        int col = 0, ky = 0, kx = 0, group = 0;
        for (int step = 0; step < steps; step++) {
#pragma HLS PIPELINE II=1
#pragma HLS DEPENDENCE variable=ring inter false
            if (step < ROW_OUT) {
                out.write(ring[(row * SH + ky * DH) % RING][(col * SW + kx * DW) * GROUPS + group]);
                if (DEPTHWISE) {
                    if (++kx == KW) kx = 0, ky++;
                    if (ky == KH) ky = 0, group++;
                    if (group == GROUPS) group = 0, col++;
                } else {
                    if (++group == GROUPS) group = 0, kx++;
                    if (kx == KW) kx = 0, ky++;
                    if (ky == KH) ky = 0, col++;
                }
            }
            if (step < coming) {
                const BEAT beat = in.read();
                if (!last) ring[(arrived + step / ROW_IN) % RING][step % ROW_IN] = beat;
            }
        }
        arrived += last ? 0 : SH;
    }
}

#endif
