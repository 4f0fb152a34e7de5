// Stand-in for finn-hlslib's pool.hpp, C simulation only: K beats of a window to one, SIZE beats in a frame.
#ifndef EDGESEG_CSIM_POOL_HPP
#define EDGESEG_CSIM_POOL_HPP

#include "bnn-library.h"

template <typename T>
struct MaxPoolFunction {
    template <typename ELEMENT>
    ELEMENT pool(const ELEMENT &a, const ELEMENT &b) const {
        return a > b ? a : b;
    }
};

template <typename T>
struct AccPoolFunction {
    template <typename ELEMENT>
    ELEMENT pool(const ELEMENT &a, const ELEMENT &b) const {
        return a + b;
    }
};

template <unsigned SIZE, unsigned K, typename T, typename OUT, std::size_t PE, typename FUNCTION>
void Pool_batch(hls::stream<hls::vector<T, PE>> &in, hls::stream<hls::vector<OUT, PE>> &out, const FUNCTION &function) {
    for (unsigned window = 0; window < SIZE / K; window++) {
        hls::vector<OUT, PE> result;
        for (unsigned k = 0; k < K; k++) {
            const hls::vector<T, PE> beat = in.read();
            for (std::size_t pe = 0; pe < PE; pe++)
                result[pe] = k == 0 ? OUT(beat[pe]) : function.pool(result[pe], OUT(beat[pe]));
        }
        out.write(result);
    }
}

#endif
