// control_split between a master and two slaves that stall at random: reads and writes at once, back to back.
//
// `split_run` sends so many bursts each way and returns 0, or a number that says what went wrong first (`FAULTS` in
// test_control_split.py). What a slave gets must be what was sent to it, in order; what it answers must come back.
#include <cstdint>
#include <deque>
#include <vector>

#include "Vsim.h"
#include "messages.h"
#include "verilated.h"

namespace {

constexpr uint32_t SECOND = 0x10000;
enum Fault { NONE, LOST_WRITE, WRONG_WRITE, WRONG_RESPONSE, WRONG_READ, UNSTABLE, STRANGER, STUCK };

struct Burst {
    uint32_t addr, id, len;
    std::vector<uint32_t> data;
    bool operator==(const Burst& o) const { return addr == o.addr && id == o.id && len == o.len && data == o.data; }
};
uint32_t word(uint32_t addr, uint32_t beat) { return addr * 2654435761u + beat * 40503u + 1; }

struct Random {
    uint64_t state;
    uint32_t next() {
        state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
        return static_cast<uint32_t>((state * 0x2545F4914F6CDD1DULL) >> 32);
    }
    bool percent(int chance) { return static_cast<int>(next() % 100) < chance; }
};

struct Held {  // a channel towards a slave: valid and payload stay until ready
    bool held = false;
    std::vector<uint64_t> payload;
    bool watch(bool valid, bool ready, std::vector<uint64_t> now) {
        const bool fine = !held || (valid && now == payload);
        held = valid && !ready;
        payload = std::move(now);
        return fine;
    }
};

struct Slave {  // its pins, what it was given, and what it does now
    CData &aw_valid, &aw_ready, &w_valid, &w_ready, &w_last, &b_valid, &b_ready, &b_resp;
    CData &ar_valid, &ar_ready, &r_valid, &r_ready, &r_resp, &r_last, &aw_len, &ar_len;
    SData &aw_id, &w_id, &b_id, &ar_id, &r_id;
    IData &aw_addr, &w_data, &ar_addr, &r_data;
    bool writing = false, all = false, reading = false, b_done = false, r_done = false;
    Burst write{}, read{};
    uint32_t beat = 0;
    std::deque<Burst> written;
    Held aw, w, ar;
};
#define PINS(p)                                                                                                    \
    Slave {                                                                                                        \
        t.p##_aw_valid, t.p##_aw_ready, t.p##_w_valid, t.p##_w_ready, t.p##_w_last, t.p##_b_valid, t.p##_b_ready,  \
            t.p##_b_resp, t.p##_ar_valid, t.p##_ar_ready, t.p##_r_valid, t.p##_r_ready, t.p##_r_resp, t.p##_r_last, \
            t.p##_aw_len, t.p##_ar_len, t.p##_aw_id, t.p##_w_id, t.p##_b_id, t.p##_ar_id, t.p##_r_id, t.p##_aw_addr, \
            t.p##_w_data, t.p##_ar_addr, t.p##_r_data                                                              \
    }

}  // namespace

extern "C" __attribute__((visibility("default"))) int split_run(uint64_t seed, int bursts, int stall, int* overlaps) {
    VerilatedContext context;
    Vsim t(&context, "");
    Random random{seed * 0x9E3779B97F4A7C15ULL + 77};
    Slave slaves[2] = {PINS(m0), PINS(m1)};
    std::deque<Burst> sent[2];
    Burst write{}, read{};
    uint32_t given = 0, taken = 0;  // beats
    int writes = 0, reads = 0;
    bool address_out = false, answered = true, asked = true, got = true;
    auto fresh = [&](bool with_data) {
        const uint32_t side = random.next() % 2, len = random.next() % 4;
        Burst burst{0x43C00000u + side * SECOND + (random.next() % 64) * 4, random.next() & 0xFFF, len, {}};
        for (uint32_t i = 0; with_data && i <= len; ++i) burst.data.push_back(random.next());
        return burst;
    };
    bool aw_up = false, w_up = false, ar_up = false;
    for (int cycle = 0, waited = 0; writes < bursts || reads < bursts || !answered || !got; ++cycle, ++waited) {
        if (waited > 5000) return STUCK;
        t.clk = 0;
        t.rst_n = cycle >= 4;
        if (!t.rst_n) {
            t.eval(), t.clk = 1, t.eval();
            continue;
        }
        if (answered && writes < bursts) {  // the next burst in the very next cycle
            write = fresh(true), ++writes, given = 0, address_out = answered = false;
            sent[write.addr >> 16 & 1].push_back(write);
        }
        if (got && reads < bursts) read = fresh(false), ++reads, taken = 0, asked = got = false;
        aw_up = aw_up || (!address_out && !answered && !random.percent(stall));
        w_up = w_up || (!answered && given <= write.len && !random.percent(stall));  // before its address, too
        ar_up = ar_up || (!asked && !random.percent(stall));
        // without valid the address is any
        t.s_aw_valid = aw_up, t.s_aw_addr = aw_up ? write.addr : random.next(), t.s_aw_id = write.id, t.s_aw_len = write.len;
        t.s_w_valid = w_up, t.s_w_id = write.id, t.s_w_data = w_up ? write.data[given] : 0, t.s_w_last = given == write.len;
        t.s_ar_valid = ar_up, t.s_ar_addr = ar_up ? read.addr : random.next(), t.s_ar_id = read.id, t.s_ar_len = read.len;
        t.s_b_ready = !random.percent(stall), t.s_r_ready = !random.percent(stall);
        for (Slave& s : slaves) {
            s.aw_ready = !s.writing && !random.percent(stall);
            s.w_ready = s.writing && !s.all && !random.percent(stall);
            if (!s.b_valid) s.b_valid = s.all && !random.percent(stall);
            s.b_id = s.write.id, s.b_resp = &s == slaves ? 2 : 3;
            s.ar_ready = !s.reading && !random.percent(stall);
            if (!s.r_valid) s.r_valid = s.reading && !random.percent(stall);
            s.r_id = s.read.id, s.r_resp = &s == slaves ? 2 : 3, s.r_data = word(s.read.addr, s.beat);
            s.r_last = s.beat == s.read.len;
        }
        t.eval();
        if (!answered && !got && address_out && asked) ++*overlaps;
        for (int side = 0; side < 2; ++side) {
            Slave& s = slaves[side];
            const bool stable = s.aw.watch(s.aw_valid, s.aw_ready, {s.aw_addr, s.aw_id, s.aw_len}) &
                                s.w.watch(s.w_valid, s.w_ready, {s.w_data, s.w_id, s.w_last}) &
                                s.ar.watch(s.ar_valid, s.ar_ready, {s.ar_addr, s.ar_id, s.ar_len});
            if (!stable) return UNSTABLE;
            if ((s.aw_valid && (s.aw_addr >> 16 & 1) != uint32_t(side)) || (s.ar_valid && (s.ar_addr >> 16 & 1) != uint32_t(side)))
                return STRANGER;
            if (s.aw_valid && s.aw_ready) s.writing = true, s.write = {s.aw_addr, s.aw_id, s.aw_len, {}};
            if (s.w_valid && s.w_ready) {
                s.write.data.push_back(s.w_data);
                if (s.w_id != s.write.id) return WRONG_WRITE;
                s.all = s.w_last;
                if (s.all) s.written.push_back(s.write);
            }
            if (s.ar_valid && s.ar_ready) s.reading = true, s.read = {s.ar_addr, s.ar_id, s.ar_len, {}}, s.beat = 0;
            s.b_done = s.b_valid && s.b_ready, s.r_done = s.r_valid && s.r_ready;
        }
        const int to = write.addr >> 16 & 1, from = read.addr >> 16 & 1;
        const bool b = t.s_b_valid && t.s_b_ready, r = t.s_r_valid && t.s_r_ready;
        if (b) {
            if (slaves[to].written.empty()) return LOST_WRITE;
            if (!(slaves[to].written.front() == sent[to].front())) return WRONG_WRITE;
            if (t.s_b_id != write.id || t.s_b_resp != 2 + to) return WRONG_RESPONSE;
            slaves[to].written.pop_front(), sent[to].pop_front();
        }
        if (r) {
            if (t.s_r_id != read.id || t.s_r_resp != 2 + from || t.s_r_data != word(read.addr, taken)) return WRONG_READ;
            if (bool(t.s_r_last) != (taken == read.len)) return WRONG_READ;
        }
        if (aw_up && t.s_aw_ready) aw_up = false, address_out = true;
        if (w_up && t.s_w_ready) w_up = false, ++given;
        if (ar_up && t.s_ar_ready) ar_up = false, asked = true;
        if (b) answered = true, waited = 0;
        if (r && taken++ == read.len) got = true, waited = 0;
        t.clk = 1;
        t.eval();
        for (Slave& s : slaves) {  // pins move after the edge
            if (s.b_done) s.b_valid = s.all = s.writing = false;
            if (s.r_done) {
                s.r_valid = false;
                if (s.beat++ == s.read.len) s.reading = false;
            }
        }
    }
    for (int side = 0; side < 2; ++side)
        if (!slaves[side].written.empty() || !sent[side].empty()) return LOST_WRITE;
    return NONE;
}
