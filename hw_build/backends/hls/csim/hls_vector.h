// Stand-in for Vitis' hls_vector.h, C simulation only: N elements side by side.
#ifndef EDGESEG_CSIM_HLS_VECTOR_H
#define EDGESEG_CSIM_HLS_VECTOR_H

#include <array>
#include <cstddef>

namespace hls {
template <typename T, std::size_t N>
struct vector : std::array<T, N> {};
}  // namespace hls

#endif
