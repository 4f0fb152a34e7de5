"""The integer reference by kernels of its own in C++: the fastest on a CPU, for the operators that have one."""
