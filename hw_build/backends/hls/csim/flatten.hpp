// Stand-in for finn-hlslib's flatten.hpp, C simulation only.
#ifndef EDGESEG_CSIM_FLATTEN_HPP
#define EDGESEG_CSIM_FLATTEN_HPP

#include "bnn-library.h"

// Elements -> a beat, element 0 in the lowest bits.
template <typename T, std::size_t N>
ap_uint<N * T::width> flatten(const T (&elements)[N]) {
    ap_uint<N * T::width> beat = 0;
    for (std::size_t i = 0; i < N; i++) set_element(beat, int(i), elements[i]);
    return beat;
}

#endif
