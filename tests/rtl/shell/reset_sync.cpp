// reset_sync, stepped by hand: `reset_sync_step(clk, async_rst_n)` sets both inputs and returns rst_n.
#include <memory>

#include "Vsim.h"
#include "messages.h"
#include "verilated.h"

extern "C" __attribute__((visibility("default"))) int reset_sync_step(int clk, int async_rst_n) {
    static VerilatedContext context;
    static Vsim top(&context, "");
    top.clk = clk;
    top.async_rst_n = async_rst_n;
    top.eval();
    return top.rst_n;
}
