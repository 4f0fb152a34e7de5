// Codes repeated, of gates, for Vitis HLS: GROUPS beats together, TIMES times; BLOCKS of such in a frame.
//
// Streams: one frame a call; an input beat has LANES codes of BITS bits, an output beat PE: the same where LANES is PE,
// else PE copies of the only one. One output beat an iteration. C++14.
#ifndef EDGESEG_STREAM_REPEAT_HPP
#define EDGESEG_STREAM_REPEAT_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int BLOCKS, int TIMES, int GROUPS, int LANES, int PE, int BITS>
void stream_repeat(hls::stream<ap_uint<LANES * BITS>> &in, hls::stream<ap_uint<PE * BITS>> &out) {
    static_assert(LANES == PE || LANES == 1, "LANES must be PE or 1");
    ap_uint<LANES * BITS> memory[GROUPS];

    for (int block = 0; block < BLOCKS; block++) {
        for (int time = 0; time < TIMES; time++) {
            for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                ap_uint<LANES * BITS> codes = memory[group];
                if (time == 0) codes = in.read();
                memory[group] = codes;
                ap_uint<PE * BITS> beat = 0;
                for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                    const int from = LANES == 1 ? 0 : lane;
                    beat.range((lane + 1) * BITS - 1, lane * BITS) = codes.range((from + 1) * BITS - 1, from * BITS);
                }
                out.write(beat);
            }
        }
    }
}

#endif
