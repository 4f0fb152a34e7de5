// Starts one Verilated design and gives what it says; a $fatal is noted, and the instances after it still have theirs.

#include <cstdarg>
#include <cstdio>
#include <memory>
#include <string>

#include "Vsim.h"
#include "verilated.h"

namespace {

std::string said;

}  // namespace

extern "C" int edgeseg_printf(const char* format, ...) {
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    said += line;
    return length;
}
void vl_finish(const char*, int, const char*) VL_MT_UNSAFE { said += "\n[finish]\n"; }
void vl_stop(const char*, int, const char*) VL_MT_UNSAFE { said += "\n[stop]\n"; }
void vl_fatal(const char*, int, const char*, const char* text) VL_MT_UNSAFE { (said += text) += "\n[fatal]\n"; }
void vl_warn(const char*, int, const char*, const char* text) VL_MT_UNSAFE { (said += text) += "\n[warning]\n"; }

extern "C" __attribute__((visibility("default"))) const char* what_it_says_at_start() {
    auto context = std::make_unique<VerilatedContext>();
    auto top = std::make_unique<Vsim>(context.get());
    top->clk = 0;
    top->eval();
    return said.c_str();
}
