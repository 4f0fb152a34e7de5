// A simulated board: the Verilated system between a processor that reads and writes registers and a memory
// (axi_memory.h) behind one port, or one for each accelerator: memory_ports.h names them. Line n of irq and busy is
// accelerator n's. `library.py` is its Python side.
//
// A cycle: all inputs are set with the clock low, the handshakes they complete are observed, then the clock rises.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "Vsim.h"
#include "axi_memory.h"
#include "memory_ports.h"
#include "messages.h"
#include "verilated.h"

namespace {

constexpr int RESET_CYCLES = 16, START_CYCLES = 64, ANSWER_LIMIT = 10000;

}  // namespace

struct Board : Bench {
    std::unique_ptr<VerilatedContext> context = std::make_unique<VerilatedContext>();
    std::unique_ptr<Vsim> top;
    std::vector<uint8_t> memory;
    std::vector<std::unique_ptr<AxiMemory>> ports;
    Channel<Data> c_read_channel{"register R"};
    Channel<Data> c_response_channel{"register B"};

    // Inputs are set; observes what this cycle brings.
    void settle() {
        for (auto& port : ports) port->drive();
        top->clk = 0;
        top->eval();
        if (!top->rst_n) return;
        for (auto& port : ports) port->observe();
        const Data r{top->c_rdata, top->c_rid, top->c_rresp, top->c_rlast};
        const Data b{0, top->c_bid, top->c_bresp, 0};
        broken(c_read_channel.watch(top->c_rvalid, top->c_rready, r));
        broken(c_response_channel.watch(top->c_bvalid, top->c_bready, b));
    }
    void rise() {
        top->clk = 1;
        top->eval();
        ++cycle;
    }

    // Pulls the reset and waits until the shell has come up; what the memory still owes is forgotten.
    void reset() {
        for (auto& port : ports) port->reset();
        c_read_channel.held = c_response_channel.held = false;
        top->c_awvalid = top->c_wvalid = top->c_arvalid = top->c_bready = top->c_rready = 0;
        for (int i = 0; i < RESET_CYCLES + START_CYCLES; ++i) {
            top->rst_n = i >= RESET_CYCLES;
            settle();
            rise();
        }
    }

    int burst_read(uint64_t addr, int beats, int burst, int size, int id, uint32_t* data, int* resp) {
        int beat = 0;
        bool asked = false, asking = false;
        for (int waited = 0; waited < ANSWER_LIMIT && violation.empty(); ++waited) {
            asking = asking || (!asked && goes());
            top->c_arvalid = asking;
            top->c_araddr = addr;
            top->c_arid = id;
            top->c_arlen = beats - 1;
            top->c_arsize = size;
            top->c_arburst = burst;
            top->c_rready = goes();
            settle();
            if (top->c_rvalid && !asked) broken("register RVALID without a read");
            if (top->c_rvalid && top->c_rready) {
                data[beat] = top->c_rdata;
                resp[beat] = top->c_rresp;
                ++beat;
                if (top->c_rid != id) broken("RID is not ARID");
                if (bool(top->c_rlast) != (beat == beats)) broken("register RLAST is wrong");
                waited = 0;
            }
            if (asking && top->c_arready) {
                asked = true;
                asking = false;
            }
            rise();
            top->c_rready = 0;
            top->c_arvalid = asking;
            if (beat == beats) return OKAY;
        }
        top->c_arvalid = 0;
        return NO_ANSWER;
    }

    int burst_write(uint64_t addr, int beats, int burst, int size, int strobes, int id, const uint32_t* data) {
        int beat = 0, response = NO_ANSWER;
        bool asked = false, asking = false, offering = false;
        for (int waited = 0; waited < ANSWER_LIMIT && violation.empty(); ++waited) {
            asking = asking || (!asked && goes());
            offering = offering || (beat < beats && goes());
            top->c_awvalid = asking;
            top->c_awaddr = addr;
            top->c_awid = top->c_wid = id;
            top->c_awlen = beats - 1;
            top->c_awsize = size;
            top->c_awburst = burst;
            top->c_wvalid = offering;
            top->c_wdata = offering ? data[beat] : 0;
            top->c_wstrb = strobes;
            top->c_wlast = beat == beats - 1;
            top->c_bready = goes();
            settle();
            if (top->c_bvalid && (!asked || beat < beats)) broken("register BVALID before the write has ended");
            if (top->c_bvalid && top->c_bready) {
                response = top->c_bresp;
                if (top->c_bid != id) broken("BID is not AWID");
            }
            if (asking && top->c_awready) {
                asked = true;
                asking = false;
            }
            if (offering && top->c_wready) {
                ++beat;
                offering = false;
                waited = 0;
            }
            rise();
            top->c_awvalid = asking;
            top->c_wvalid = offering;
            top->c_bready = 0;
            if (response != NO_ANSWER) return response;
        }
        top->c_awvalid = top->c_wvalid = 0;
        return NO_ANSWER;
    }

    bool reached(int idle, int interrupts) const {
        return (idle && !(top->busy & idle)) || (top->irq & interrupts);
    }
    // 1 when none of the lines `idle` is busy, or one of `interrupts` is up; 0 after max_cycles.
    int run(uint64_t max_cycles, int idle, int interrupts) {
        for (uint64_t n = 0; n < max_cycles && violation.empty(); ++n) {
            if (reached(idle, interrupts)) return 1;
            settle();
            rise();
        }
        return reached(idle, interrupts);
    }
};

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// A fatal condition of the model becomes a violation instead of an exception that C can't catch.
template <typename Call, typename Result>
Result guarded(Board* board, Call call, Result otherwise) {
    try {
        return call();
    } catch (const std::runtime_error& error) {
        board->broken(error.what());
        return otherwise;
    }
}

}  // namespace

EXPORT Board* board_create(uint64_t base, uint64_t bytes, int protocol, uint64_t seed) {
    auto* board = new Board;
    board->context->randReset(2);
    board->context->randSeed(static_cast<int>(seed % 0x7FFFFFFF) + 1);
    board->top = std::make_unique<Vsim>(board->context.get(), "");
    board->memory.resize(bytes);
    for (const MemoryPins& pins : {MEMORY_PORTS(*board->top)})
        board->ports.push_back(std::make_unique<AxiMemory>(*board, pins, base, board->memory, protocol));
    board->random_state = seed * 0x9E3779B97F4A7C15ULL + 0x1234567;
    message_log.clear();
    guarded(board, [&] { board->reset(); return 0; }, 0);
    return board;
}
EXPORT void board_destroy(Board* board) {
    board->top->final();
    delete board;
}
EXPORT uint8_t* board_memory(Board* board) { return board->memory.data(); }
EXPORT int board_burst_read(Board* board, uint64_t addr, int beats, int burst, int size, int id, uint32_t* data,
                            int* responses) {
    return guarded(board, [&] { return board->burst_read(addr, beats, burst, size, id, data, responses); }, NO_ANSWER);
}
EXPORT int board_burst_write(Board* board, uint64_t addr, int beats, int burst, int size, int strobes, int id,
                             const uint32_t* data) {
    return guarded(board, [&] { return board->burst_write(addr, beats, burst, size, strobes, id, data); }, NO_ANSWER);
}
EXPORT int board_run(Board* board, uint64_t max_cycles, int idle, int interrupts) {
    return guarded(board, [&] { return board->run(max_cycles, idle, interrupts); }, 0);
}
EXPORT void board_reset(Board* board) {
    guarded(board, [&] { board->reset(); return 0; }, 0);
}
EXPORT void board_inject(Board* board, int port, int fault, uint64_t after) {
    board->ports[port]->fault = fault;
    board->ports[port]->fault_after = after;
}
EXPORT void board_timing(Board* board, double stall, int latency) {
    board->stall_threshold = static_cast<uint32_t>(stall * 4294967295.0);
    for (auto& port : board->ports) port->latency = latency;
}
EXPORT int board_line(const Board* board, int line) { return line == 0 ? board->top->irq : board->top->busy; }
EXPORT uint64_t board_cycles(const Board* board) { return board->cycle; }
EXPORT uint64_t board_count(const Board* board, int port, int index) {
    return board->ports[port]->counts[index];
}
EXPORT const char* board_violation(const Board* board) { return board->violation.c_str(); }
