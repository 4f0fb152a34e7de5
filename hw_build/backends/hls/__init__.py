"""The HLS back end: C++ for Vitis HLS of every layer that FINN or this project has such a variant of."""
