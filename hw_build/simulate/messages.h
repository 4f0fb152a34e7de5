// What a Verilated model prints, and how it ends, when it lives inside a library: included once by each driver.

#pragma once

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "verilated.h"

namespace {

constexpr size_t LOG_LIMIT = 1 << 16;
std::string message_log;

}  // namespace

// Everything the model prints and every fatal condition ends in the log, not on stdout or in abort().
extern "C" int edgeseg_printf(const char* format, ...) {
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (message_log.size() < LOG_LIMIT) message_log += line;
    return length;
}
void vl_finish(const char* file, int line, const char*) VL_MT_UNSAFE {
    throw std::runtime_error(std::string("$finish at ") + file + ":" + std::to_string(line));
}
void vl_stop(const char* file, int line, const char*) VL_MT_UNSAFE {
    throw std::runtime_error(std::string("$stop or $error at ") + file + ":" + std::to_string(line));
}
void vl_fatal(const char* file, int line, const char*, const char* text) VL_MT_UNSAFE {
    throw std::runtime_error(std::string(text) + " at " + file + ":" + std::to_string(line));
}
void vl_warn(const char* file, int line, const char*, const char* text) VL_MT_UNSAFE {
    edgeseg_printf("%s at %s:%d\n", text, file, line);
}
