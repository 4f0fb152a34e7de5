// The memory of the simulated board: answers AXI3 or AXI4 bursts late, with stalls and faults, and watches every rule.
//
// Rules: valid and payload stay until ready; bursts are INCR, of 8 bytes a beat, aligned, within 4 KiB, at most 16 (AXI3)
// or 256 beats long; WLAST stands at the last beat only; WID is AWID (AXI3); no data before its address is offered.

#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "Vsim.h"

namespace {

constexpr int OKAY = 0, SLVERR = 2, DECERR = 3, NO_ANSWER = -1;
constexpr int INCR = 1;
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

// What all parts of the bench share: time, chance, and the first rule that was broken.
struct Bench {
    uint64_t cycle = 0;
    std::string violation;
    uint64_t random_state = 1;
    uint32_t stall_threshold = 0;  // of 2^32

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
};

// One memory port of sim_top; MEMORY_PINS(top, m) are those whose names begin with m_.
struct MemoryPins {
    uint8_t &awvalid, &awready, &awlen, &awsize, &awburst, &wvalid, &wready, &wstrb, &wlast, &bvalid, &bready, &bresp;
    uint8_t &arvalid, &arready, &arlen, &arsize, &arburst, &rvalid, &rready, &rresp, &rlast;
    uint16_t &awid, &wid, &bid, &arid, &rid;
    uint64_t &awaddr, &wdata, &araddr, &rdata;
};
#define MEMORY_PINS(top, m)                                                                                         \
    MemoryPins {                                                                                                    \
        (top).m##_awvalid, (top).m##_awready, (top).m##_awlen, (top).m##_awsize, (top).m##_awburst,                 \
            (top).m##_wvalid, (top).m##_wready, (top).m##_wstrb, (top).m##_wlast, (top).m##_bvalid,                 \
            (top).m##_bready, (top).m##_bresp, (top).m##_arvalid, (top).m##_arready, (top).m##_arlen,               \
            (top).m##_arsize, (top).m##_arburst, (top).m##_rvalid, (top).m##_rready, (top).m##_rresp,               \
            (top).m##_rlast, (top).m##_awid, (top).m##_wid, (top).m##_bid, (top).m##_arid, (top).m##_rid,           \
            (top).m##_awaddr, (top).m##_wdata, (top).m##_araddr, (top).m##_rdata                                    \
    }

// Answers at one port; several share `memory`.
struct AxiMemory {
    Bench& bench;
    MemoryPins pins;
    uint64_t base;
    std::vector<uint8_t>& memory;
    int protocol;
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
    uint64_t counts[7] = {};  // read bursts, write bursts, read beats, write beats, most reads, most writes, longest
    uint64_t unanswered_writes = 0;

    AxiMemory(Bench& bench, MemoryPins pins, uint64_t base, std::vector<uint8_t>& memory, int protocol)
        : bench(bench), pins(pins), base(base), memory(memory), protocol(protocol) {}

    // Forgets what is under way; the contents stay.
    void reset() {
        reads.clear();
        writes_announced.clear();
        writes_addressed.clear();
        written.clear();
        responses.clear();
        aw_announced = r_offered = b_offered = false;
        aw_channel.held = ar_channel.held = w_channel.held = false;
        unanswered_writes = 0;
    }

    bool inside(uint64_t addr, uint64_t bytes) const {
        return addr >= base && bytes <= memory.size() && addr - base <= memory.size() - bytes;
    }

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
        if (a.len + 1 > limit) bench.broken(at + " of " + std::to_string(a.len + 1) + " beats");
        if (a.burst != INCR) bench.broken(at + " is not INCR");
        if (a.size != 3) bench.broken(at + " is not of 8 bytes a beat");
        if (a.addr % 8) bench.broken(at + " is misaligned");
        if ((a.addr & 4095) + 8 * (a.len + 1) > 4096) bench.broken(at + " crosses 4 KiB");
        if (a.len + 1 > counts[6]) counts[6] = a.len + 1;
    }

    bool hangs(int kind) const { return fault == kind && fault_after == 0; }

    void drive() {
        pins.arready = reads.size() < ACCEPTED && !hangs(READ_REFUSED) && bench.goes();
        if (!r_offered && !reads.empty() && bench.cycle >= reads.front().ready_at && !hangs(READ_HANG) && bench.goes()) {
            const Burst& burst = reads.front();
            const uint64_t addr = burst.address.addr + 8 * burst.beat;
            pins.rdata = 0xBADBADBADBADBADBULL;
            if (burst.response == OKAY) std::memcpy(&pins.rdata, &memory[addr - base], 8);
            pins.rid = burst.address.id;
            pins.rresp = burst.response;
            pins.rlast = burst.beat == burst.address.len;
            r_offered = true;
        }
        pins.rvalid = r_offered;
        const bool accepts = writes_addressed.size() < ACCEPTED && !hangs(WRITE_REFUSED);
        pins.awready = accepts && bench.goes();
        pins.wready = written.size() <= ACCEPTED && !hangs(WRITE_REFUSED) && bench.goes();
        if (!b_offered && !responses.empty() && bench.cycle >= responses.front().ready_at && !hangs(WRITE_HANG) && bench.goes()) {
            pins.bid = responses.front().address.id;
            pins.bresp = responses.front().response;
            b_offered = true;
        }
        pins.bvalid = b_offered;
    }

    uint64_t answer_time() { return bench.cycle + 1 + (latency ? bench.random() % latency : 0); }

    // The handshakes of this cycle, with all signals settled.
    void observe() {
        observe_reads();
        observe_writes();
    }

    void observe_reads() {
        const Address ar{pins.araddr, pins.arid, pins.arlen, pins.arsize, pins.arburst};
        bench.broken(ar_channel.watch(pins.arvalid, pins.arready, ar));
        if (pins.rvalid && pins.rready) {
            ++counts[2];
            r_offered = false;
            if (reads.front().beat++ == reads.front().address.len) reads.pop_front();
        }
        if (pins.arvalid && pins.arready) {
            check_address(ar, "AR");
            ++counts[0];
            reads.push_back({ar, response_of(ar, READ_SLVERR, READ_DECERR, READ_HANG, READ_REFUSED), answer_time()});
            if (reads.size() > counts[4]) counts[4] = reads.size();
        }
    }

    void observe_writes() {
        const Address aw{pins.awaddr, pins.awid, pins.awlen, pins.awsize, pins.awburst};
        const Data w{pins.wdata, pins.wid, pins.wstrb, pins.wlast};
        bench.broken(aw_channel.watch(pins.awvalid, pins.awready, aw));
        bench.broken(w_channel.watch(pins.wvalid, pins.wready, w));
        if (pins.bvalid && pins.bready) {
            b_offered = false;
            responses.pop_front();
            --unanswered_writes;
        }
        if (pins.awvalid && !aw_announced) {
            check_address(aw, "AW");
            writes_announced.push_back(aw);
            ++unanswered_writes;
            if (unanswered_writes > counts[5]) counts[5] = unanswered_writes;
        }
        aw_announced = pins.awvalid && !pins.awready;
        if (pins.awvalid && pins.awready) {
            ++counts[1];
            writes_addressed.push_back(aw);
        }
        if (pins.wvalid && writes_announced.empty()) bench.broken("WVALID comes before the burst's AWVALID");
        if (pins.wvalid && pins.wready && !writes_announced.empty()) take_data(w);
        while (!writes_addressed.empty() && !written.empty() && written.front().back().last) finish_write();
    }

    void take_data(const Data& w) {
        const Address& burst = writes_announced.front();
        if (written.empty() || written.back().back().last) written.emplace_back();
        written.back().push_back(w);
        ++counts[3];
        const bool last = written.back().size() == burst.len + 1;
        if (bool(w.last) != last) bench.broken(last ? "WLAST is missing at the last beat" : "WLAST comes before the last beat");
        if (protocol == 3 && w.id != burst.id) bench.broken("WID differs from AWID");
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
};

}  // namespace
