// Stand-in for finn-hlslib's dup.hpp, C simulation only: one beat a call, to every output.
#ifndef EDGESEG_CSIM_DUP_HPP
#define EDGESEG_CSIM_DUP_HPP

#include "bnn-library.h"

template <typename T, typename... OUTPUTS>
void StreamingDup(hls::stream<T> &in, OUTPUTS &...outputs) {
    const T beat = in.read();
    (outputs.write(beat), ...);
}

#endif
