// Stand-in, C simulation only: all of it is in bnn-library.h.
#include "bnn-library.h"
