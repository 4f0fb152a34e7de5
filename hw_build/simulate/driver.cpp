// Drives one Verilated design with N stream inputs and M stream outputs, cycle by cycle, without Python in the loop.
//
// A cycle: stimulus is applied with the clock low, the handshakes that this stimulus completes are observed, then the
// clock rises. Idle and stall patterns come from a seeded generator at run time, so one build serves all of them.
// `ports.inc`, generated beside this file, binds the ports of the wrapper `sim_top` and its pins.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "Vsim.h"
#include "messages.h"
#include "verilated.h"

namespace {

constexpr int RESET_CYCLES = 16;

struct Port {
    void* data;
    uint32_t bytes;
    uint8_t* valid;
    uint8_t* ready;
    uint8_t* last;  // null where the port has no TLAST
};

struct Source {
    Port port;
    const uint8_t* beats = nullptr;
    uint64_t count = 0, taken = 0;
    uint64_t* cycles = nullptr;
    double cycles_per_beat = 0.0;  // pace: beat k is not offered before cycle k * cycles_per_beat
    bool offered = false;
};

struct Sink {
    Port port;
    uint8_t* beats = nullptr;
    uint8_t* lasts = nullptr;
    uint64_t expected = 0, got = 0;
    bool closes = false;  // withholds TREADY after the expected beats instead of refusing more
    uint64_t* cycles = nullptr;
    bool held = false;  // TVALID was up without TREADY in the cycle before
    std::vector<uint8_t> held_data;
    uint8_t held_last = 0;
};

#include "ports.inc"  // INPUTS, OUTPUTS, bind_inputs, bind_outputs, set_pin, read_probe_port

enum Status { RUNNING = 0, FINISHED = 1, DEADLOCK = 2, FAILED = 3 };

struct Simulation {
    std::unique_ptr<VerilatedContext> context;
    std::unique_ptr<Vsim> top;
    Source sources[INPUTS + 1];
    Sink sinks[OUTPUTS + 1];
    uint64_t cycle = 0, last_handshake = 0, watched_since = 0, watchdog = 0, settle = 0, finished_at = 0;
    bool all_done = false;
    uint64_t random_state = 1;
    uint32_t idle_threshold = 0, stall_threshold = 0;  // of 2^32
    std::string error;

    uint32_t random() {  // xorshift64*
        random_state ^= random_state >> 12;
        random_state ^= random_state << 25;
        random_state ^= random_state >> 27;
        return static_cast<uint32_t>((random_state * 0x2545F4914F6CDD1DULL) >> 32);
    }

    void stimulate() {
        for (int i = 0; i < INPUTS; ++i) {
            Source& s = sources[i];
            if (!s.offered) {
                s.offered = s.taken < s.count && cycle >= s.taken * s.cycles_per_beat
                            && (!idle_threshold || random() >= idle_threshold);
                if (s.offered) std::memcpy(s.port.data, s.beats + s.taken * s.port.bytes, s.port.bytes);
                *s.port.valid = s.offered;
            }
        }
        for (int i = 0; i < OUTPUTS; ++i)
            *sinks[i].port.ready = (!stall_threshold || random() >= stall_threshold)
                                   && !(sinks[i].closes && sinks[i].got == sinks[i].expected);
    }

    bool fail(const std::string& text) {
        error = text + " in cycle " + std::to_string(cycle);
        return false;
    }

    bool observe_sink(int index) {
        Sink& s = sinks[index];
        const std::string name = "output stream " + std::to_string(index);
        if (!*s.port.valid) return s.held ? fail(name + " dropped TVALID before TREADY") : true;
        const auto* data = static_cast<const uint8_t*>(s.port.data);
        const uint8_t last = s.port.last ? *s.port.last : 0;
        if (s.held && (std::memcmp(data, s.held_data.data(), s.port.bytes) || last != s.held_last))
            return fail(name + " changed TDATA or TLAST while it waited for TREADY");
        if (!*s.port.ready) {
            if (!s.held) {
                std::memcpy(s.held_data.data(), data, s.port.bytes);
                s.held_last = last;
                s.held = true;
            }
            return true;
        }
        s.held = false;
        if (s.got == s.expected)
            return fail(name + " delivers more than the " + std::to_string(s.expected) + " beats expected");
        std::memcpy(s.beats + s.got * s.port.bytes, data, s.port.bytes);
        s.lasts[s.got] = last;
        s.cycles[s.got++] = cycle;
        last_handshake = cycle;
        return true;
    }

    bool observe() {
        for (int i = 0; i < INPUTS; ++i) {
            Source& s = sources[i];
            if (s.offered && *s.port.ready) {
                s.cycles[s.taken++] = cycle;
                s.offered = false;
                last_handshake = cycle;
            }
        }
        for (int i = 0; i < OUTPUTS; ++i)
            if (!observe_sink(i)) return false;
        return true;
    }

    bool complete() const {
        for (int i = 0; i < INPUTS; ++i)
            if (sources[i].taken != sources[i].count) return false;
        for (int i = 0; i < OUTPUTS; ++i)
            if (sinks[i].got != sinks[i].expected) return false;
        return true;
    }

    int advance(uint64_t budget) {
        for (uint64_t n = 0; n < budget; ++n) {
            stimulate();
            top->clk = 0;
            top->eval();
            if (!observe()) return FAILED;
            top->clk = 1;
            top->eval();
            ++cycle;
            if (last_handshake + 1 == cycle) {
                all_done = complete();
            } else if (all_done) {
                if (cycle - last_handshake > settle) return FINISHED;
            } else if (cycle - std::max(last_handshake, watched_since) > watchdog) {
                return DEADLOCK;
            }
        }
        return RUNNING;
    }

    void reset() {
        top->rst_n = 0;
        for (int i = 0; i < INPUTS; ++i) *sources[i].port.valid = 0;
        for (int i = 0; i < OUTPUTS; ++i) *sinks[i].port.ready = 0;
        for (int i = 0; i < RESET_CYCLES; ++i) {
            top->clk = 0;
            top->eval();
            top->clk = 1;
            top->eval();
        }
        top->rst_n = 1;
    }
};

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT Simulation* sim_create(uint64_t seed, double idle, double stall, uint64_t watchdog, uint64_t settle) {
    auto* sim = new Simulation;
    sim->context = std::make_unique<VerilatedContext>();
    sim->context->randReset(2);
    sim->context->randSeed(static_cast<int>(seed % 0x7FFFFFFF) + 1);
    sim->top = std::make_unique<Vsim>(sim->context.get(), "");
    bind_inputs(sim->top.get(), sim->sources);
    bind_outputs(sim->top.get(), sim->sinks);
    for (int i = 0; i < OUTPUTS; ++i) sim->sinks[i].held_data.resize(sim->sinks[i].port.bytes);
    sim->random_state = seed * 0x9E3779B97F4A7C15ULL + 0x1234567;
    sim->idle_threshold = static_cast<uint32_t>(idle * 4294967295.0);
    sim->stall_threshold = static_cast<uint32_t>(stall * 4294967295.0);
    sim->watchdog = watchdog;
    sim->settle = settle;
    message_log.clear();
    return sim;
}

EXPORT void sim_source(Simulation* sim, int index, const uint8_t* beats, uint64_t count, uint64_t* cycles,
                       double cycles_per_beat) {
    Source& s = sim->sources[index];
    s.beats = beats;
    s.count = count;
    s.cycles = cycles;
    s.cycles_per_beat = cycles_per_beat;
}

EXPORT void sim_sink(Simulation* sim, int index, uint8_t* beats, uint8_t* lasts, uint64_t expected, uint64_t* cycles,
                     int closes) {
    Sink& s = sim->sinks[index];
    s.beats = beats;
    s.lasts = lasts;
    s.expected = expected;
    s.cycles = cycles;
    s.closes = closes;
}

EXPORT void sim_pin(Simulation* sim, int index, uint64_t value) { set_pin(sim->top.get(), index, value); }

EXPORT int sim_reset(Simulation* sim) {
    try {
        sim->reset();
    } catch (const std::runtime_error& error) {
        sim->error = error.what();
        return FAILED;
    }
    sim->all_done = sim->complete();
    return RUNNING;
}

EXPORT int sim_advance(Simulation* sim, uint64_t budget) {
    try {
        return sim->advance(budget);
    } catch (const std::runtime_error& error) {
        sim->error = error.what();
        return FAILED;
    }
}

EXPORT void sim_watch_on(Simulation* sim) { sim->watched_since = sim->cycle; }
EXPORT uint64_t sim_cycle(const Simulation* sim) { return sim->cycle; }
EXPORT uint64_t sim_taken(const Simulation* sim, int index) { return sim->sources[index].taken; }
EXPORT uint64_t sim_got(const Simulation* sim, int index) { return sim->sinks[index].got; }
EXPORT uint64_t sim_probe(Simulation* sim, uint64_t address) { return read_probe_port(sim->top.get(), address); }
EXPORT const char* sim_error(const Simulation* sim) { return sim->error.c_str(); }
EXPORT const char* sim_log() { return message_log.c_str(); }
EXPORT void sim_destroy(Simulation* sim) {
    sim->top->final();
    delete sim;
}
