// A simulated board: the Verilated system between a processor that reads and writes registers and a memory that answers
// AXI3 or AXI4 bursts late, with stalls and faults, and watches every rule of the bus. `library.py` is its Python side.
//
// A cycle: all inputs are set with the clock low, the handshakes they complete are observed, then the clock rises.

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "Vsim.h"
#include "messages.h"
#include "verilated.h"

namespace {

constexpr int RESET_CYCLES = 16, START_CYCLES = 64, ANSWER_LIMIT = 10000;
constexpr int OKAY = 0, SLVERR = 2, DECERR = 3, NO_ANSWER = -1;
constexpr int FIXED = 0, INCR = 1;
constexpr size_t ACCEPTED = 8;  // bursts that the memory accepts before it has answered the first
enum Fault {
    NONE, READ_SLVERR, READ_DECERR, WRITE_SLVERR, WRITE_DECERR, READ_HANG, WRITE_HANG, READ_REFUSED, WRITE_REFUSED
};

struct Address {
    uint64_t addr;
    uint32_t id, len, size, burst;
    bool operator==(const Address& o) const {
        return addr == o.addr && id == o.id && len == o.len && size == o.size && burst == o.burst;
    }
};

struct Data {
    uint64_t data;
    uint32_t id, strb, last;
    bool operator==(const Data& o) const {
        return data == o.data && id == o.id && strb == o.strb && last == o.last;
    }
};

struct Burst {
    Address address;
    int response;
    uint64_t ready_at;  // cycle of the first answer
    uint32_t beat = 0;
};

// Valid must stay, with the same payload, until ready.
template <typename Payload>
struct Channel {
    const char* name;
    bool held = false;
    Payload payload{};

    // Empty, or the rule that is broken in this cycle.
    std::string watch(bool valid, bool ready, const Payload& now) {
        std::string broken;
        if (held && !valid) broken = std::string(name) + "VALID falls before " + name + "READY";
        if (held && valid && !(now == payload)) broken = std::string(name) + " changes before " + name + "READY";
        held = valid && !ready;
        payload = now;
        return broken;
    }
};

}  // namespace

struct Board {
    std::unique_ptr<VerilatedContext> context = std::make_unique<VerilatedContext>();
    std::unique_ptr<Vsim> top;
    uint64_t base;
    std::vector<uint8_t> memory;
    int protocol;
    uint64_t cycle = 0;
    std::string violation;

    uint64_t random_state;
    uint32_t stall_threshold = 0;  // of 2^32
    int latency = 0;
    int fault = NONE;
    uint64_t fault_after = 0;

    std::deque<Burst> reads;                // accepted, not wholly answered
    std::deque<Address> writes_announced;   // AWVALID seen, last beat of W not yet taken
    std::deque<Address> writes_addressed;   // AW taken, response not yet made
    std::deque<std::vector<Data>> written;  // data of bursts, the last one may be incomplete
    std::deque<Burst> responses;
    bool aw_announced = false;
    bool r_offered = false, b_offered = false;
    Channel<Address> aw_channel{"AW"}, ar_channel{"AR"};
    Channel<Data> w_channel{"W"};
    Channel<Data> c_read_channel{"register R"};
    Channel<Data> c_response_channel{"register B"};
    uint64_t counts[7] = {};  // read bursts, write bursts, read beats, write beats, most reads, most writes, longest
    uint64_t unanswered_writes = 0;

    uint32_t random() {  // xorshift64*
        random_state ^= random_state >> 12;
        random_state ^= random_state << 25;
        random_state ^= random_state >> 27;
        return static_cast<uint32_t>((random_state * 0x2545F4914F6CDD1DULL) >> 32);
    }
    bool goes() { return !stall_threshold || random() >= stall_threshold; }

    void broken(const std::string& rule) {
        if (violation.empty() && !rule.empty()) violation = rule + " in cycle " + std::to_string(cycle);
    }

    bool inside(uint64_t addr, uint64_t bytes) const {
        return addr >= base && bytes <= memory.size() && addr - base <= memory.size() - bytes;
    }

    // ---- the memory's side of the bus ----

    // Answer of a burst that begins now. `slverr` to `refused` are the faults of its direction.
    int response_of(const Address& a, int slverr, int decerr, int hang, int refused) {
        const bool meant = fault == slverr || fault == decerr || fault == hang || fault == refused;
        if (meant && fault_after > 0) {
            --fault_after;
        } else if (fault == slverr || fault == decerr) {
            const int response = fault == slverr ? SLVERR : DECERR;
            fault = NONE;
            return response;
        }
        return inside(a.addr, (a.len + 1ULL) << a.size) ? OKAY : DECERR;
    }

    void check_address(const Address& a, const char* name) {
        const std::string at = std::string(name) + " burst";
        const uint32_t limit = protocol == 3 ? 16 : 256;
        if (a.len + 1 > limit) broken(at + " of " + std::to_string(a.len + 1) + " beats");
        if (a.burst != INCR) broken(at + " is not INCR");
        if (a.size != 3) broken(at + " is not of 8 bytes a beat");
        if (a.addr % 8) broken(at + " is misaligned");
        if ((a.addr & 4095) + 8 * (a.len + 1) > 4096) broken(at + " crosses 4 KiB");
        if (a.len + 1 > counts[6]) counts[6] = a.len + 1;
    }

    bool hangs(int kind) const { return fault == kind && fault_after == 0; }

    void drive_memory() {
        top->m_arready = reads.size() < ACCEPTED && !hangs(READ_REFUSED) && goes();
        if (!r_offered && !reads.empty() && cycle >= reads.front().ready_at && !hangs(READ_HANG) && goes()) {
            const Burst& burst = reads.front();
            const uint64_t addr = burst.address.addr + 8 * burst.beat;
            top->m_rdata = 0xBADBADBADBADBADBULL;
            if (burst.response == OKAY) std::memcpy(&top->m_rdata, &memory[addr - base], 8);
            top->m_rid = burst.address.id;
            top->m_rresp = burst.response;
            top->m_rlast = burst.beat == burst.address.len;
            r_offered = true;
        }
        top->m_rvalid = r_offered;
        const bool accepts = writes_addressed.size() < ACCEPTED && !hangs(WRITE_REFUSED);
        top->m_awready = accepts && goes();
        top->m_wready = written.size() <= ACCEPTED && !hangs(WRITE_REFUSED) && goes();
        if (!b_offered && !responses.empty() && cycle >= responses.front().ready_at && !hangs(WRITE_HANG) && goes()) {
            top->m_bid = responses.front().address.id;
            top->m_bresp = responses.front().response;
            b_offered = true;
        }
        top->m_bvalid = b_offered;
    }

    uint64_t answer_time() { return cycle + 1 + (latency ? random() % latency : 0); }

    void observe_reads() {
        const Address ar{top->m_araddr, top->m_arid, top->m_arlen, top->m_arsize, top->m_arburst};
        broken(ar_channel.watch(top->m_arvalid, top->m_arready, ar));
        if (top->m_rvalid && top->m_rready) {
            ++counts[2];
            r_offered = false;
            if (reads.front().beat++ == reads.front().address.len) reads.pop_front();
        }
        if (top->m_arvalid && top->m_arready) {
            check_address(ar, "AR");
            ++counts[0];
            reads.push_back({ar, response_of(ar, READ_SLVERR, READ_DECERR, READ_HANG, READ_REFUSED), answer_time()});
            if (reads.size() > counts[4]) counts[4] = reads.size();
        }
    }

    void observe_writes() {
        const Address aw{top->m_awaddr, top->m_awid, top->m_awlen, top->m_awsize, top->m_awburst};
        const Data w{top->m_wdata, top->m_wid, top->m_wstrb, top->m_wlast};
        broken(aw_channel.watch(top->m_awvalid, top->m_awready, aw));
        broken(w_channel.watch(top->m_wvalid, top->m_wready, w));
        if (top->m_bvalid && top->m_bready) {
            b_offered = false;
            responses.pop_front();
            --unanswered_writes;
        }
        if (top->m_awvalid && !aw_announced) {
            check_address(aw, "AW");
            writes_announced.push_back(aw);
            ++unanswered_writes;
            if (unanswered_writes > counts[5]) counts[5] = unanswered_writes;
        }
        aw_announced = top->m_awvalid && !top->m_awready;
        if (top->m_awvalid && top->m_awready) {
            ++counts[1];
            writes_addressed.push_back(aw);
        }
        if (top->m_wvalid && writes_announced.empty()) broken("WVALID comes before the burst's AWVALID");
        if (top->m_wvalid && top->m_wready && !writes_announced.empty()) take_data(w);
        while (!writes_addressed.empty() && !written.empty() && written.front().back().last) finish_write();
    }

    void take_data(const Data& w) {
        const Address& burst = writes_announced.front();
        if (written.empty() || written.back().back().last) written.emplace_back();
        written.back().push_back(w);
        ++counts[3];
        const bool last = written.back().size() == burst.len + 1;
        if (bool(w.last) != last) broken(last ? "WLAST is missing at the last beat" : "WLAST comes before the last beat");
        if (protocol == 3 && w.id != burst.id) broken("WID differs from AWID");
        if (last) {
            written.back().back().last = 1;
            writes_announced.pop_front();
        }
    }

    void finish_write() {
        const Address a = writes_addressed.front();
        const int response = response_of(a, WRITE_SLVERR, WRITE_DECERR, WRITE_HANG, WRITE_REFUSED);
        uint64_t addr = a.addr;
        for (const Data& beat : written.front()) {
            for (int lane = 0; lane < 8 && response == OKAY; ++lane)
                if (beat.strb >> lane & 1) memory[addr - base + lane] = beat.data >> (8 * lane);
            addr += 8;
        }
        responses.push_back({a, response, answer_time()});
        writes_addressed.pop_front();
        written.pop_front();
    }

    // ---- clock ----

    // Inputs are set; observes and ticks.
    void tick() {
        drive_memory();
        top->clk = 0;
        top->eval();
        if (top->rst_n) {
            observe_reads();
            observe_writes();
            const Data r{top->c_rdata, top->c_rid, top->c_rresp, top->c_rlast};
            const Data b{0, top->c_bid, top->c_bresp, 0};
            broken(c_read_channel.watch(top->c_rvalid, top->c_rready, r));
            broken(c_response_channel.watch(top->c_bvalid, top->c_bready, b));
        }
    }
    void rise() {
        top->clk = 1;
        top->eval();
        ++cycle;
    }

    // Pulls the reset and waits until the shell has come up; what the memory still owes is forgotten.
    void reset() {
        reads.clear();
        writes_announced.clear();
        writes_addressed.clear();
        written.clear();
        responses.clear();
        aw_announced = r_offered = b_offered = false;
        aw_channel.held = ar_channel.held = w_channel.held = false;
        c_read_channel.held = c_response_channel.held = false;
        unanswered_writes = 0;
        top->c_awvalid = top->c_wvalid = top->c_arvalid = top->c_bready = top->c_rready = 0;
        for (int i = 0; i < RESET_CYCLES + START_CYCLES; ++i) {
            top->rst_n = i >= RESET_CYCLES;
            tick();
            rise();
        }
    }

    // ---- the processor's side ----

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
            tick();
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
            tick();
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

    // 1 when one of the events in `until` (1: not busy, 2: interrupt) has come, 0 after max_cycles.
    int run(uint64_t max_cycles, int until) {
        for (uint64_t n = 0; n < max_cycles && violation.empty(); ++n) {
            if (((until & 1) && !top->busy) || ((until & 2) && top->irq)) return 1;
            tick();
            rise();
        }
        return ((until & 1) && !top->busy) || ((until & 2) && top->irq);
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
    board->base = base;
    board->memory.resize(bytes);
    board->protocol = protocol;
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
EXPORT int board_run(Board* board, uint64_t max_cycles, int until) {
    return guarded(board, [&] { return board->run(max_cycles, until); }, 0);
}
EXPORT void board_reset(Board* board) {
    guarded(board, [&] { board->reset(); return 0; }, 0);
}
EXPORT void board_inject(Board* board, int fault, uint64_t after) {
    board->fault = fault;
    board->fault_after = after;
}
EXPORT void board_timing(Board* board, double stall, int latency) {
    board->stall_threshold = static_cast<uint32_t>(stall * 4294967295.0);
    board->latency = latency;
}
EXPORT int board_line(const Board* board, int line) { return line == 0 ? board->top->irq : board->top->busy; }
EXPORT uint64_t board_count(const Board* board, int index) { return index == 0 ? board->cycle : board->counts[index - 1]; }
EXPORT const char* board_violation(const Board* board) { return board->violation.c_str(); }
