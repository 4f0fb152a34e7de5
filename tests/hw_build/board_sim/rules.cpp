// Breaks each rule of the bus once, in front of the simulated memory: `rules NAME` prints what the memory says of it.
#include <cstdio>
#include <functional>
#include <map>

#include "axi_memory.h"

namespace {

constexpr uint64_t BASE = 0x10000000;

struct Master {
    Bench bench;
    Vsim top;
    std::vector<uint8_t> bytes = std::vector<uint8_t>(1 << 16);
    AxiMemory memory;
    explicit Master(int protocol) : memory(bench, MEMORY_PINS(top, m), BASE, bytes, protocol) {}

    void cycle(const std::function<void()>& set = [] {}) {
        memory.drive();
        set();
        memory.observe();
        ++bench.cycle;
    }
    void read(uint64_t addr, int beats) {
        cycle([&] { top.m_arvalid = 1, top.m_araddr = BASE + addr, top.m_arlen = beats - 1; });
        top.m_arvalid = 0;
        for (int i = 0; i < beats + 4; ++i) cycle();
    }
    // Offers address and data together; `change` alters a beat before it is seen.
    void write(uint64_t addr, int beats, const std::function<void(int)>& change = [](int) {}) {
        for (int beat = 0; beat < beats; ++beat) {
            cycle([&] {
                top.m_awvalid = beat == 0, top.m_awaddr = BASE + addr, top.m_awlen = beats - 1, top.m_wid = top.m_awid;
                top.m_wvalid = 1, top.m_wdata = beat, top.m_wlast = beat == beats - 1;
                change(beat);
            });
        }
        top.m_awvalid = top.m_wvalid = 0;
        for (int i = 0; i < 4; ++i) cycle();
    }
    void refuse() { top.m_arready = top.m_awready = top.m_wready = 0; }
};

const std::map<std::string, std::function<void(Master&)>> RULES = {
    {"good", [](Master& m) { m.read(0x0F80, 16), m.write(0x1000, 16), m.write(0x20, 1), m.read(0, 2); }},
    {"AR across 4 KiB", [](Master& m) { m.read(0x0F88, 16); }},
    {"AW across 4 KiB", [](Master& m) { m.write(0x0FF8, 2); }},
    {"AR of 17 beats", [](Master& m) { m.read(0, 17); }},
    {"AR misaligned", [](Master& m) { m.read(4, 1); }},
    {"AR of 4 bytes a beat", [](Master& m) { m.top.m_arsize = 2, m.read(0, 1); }},
    {"AR fixed", [](Master& m) { m.top.m_arburst = 0, m.read(0, 1); }},
    {"WLAST early", [](Master& m) { m.write(0, 4, [&](int beat) { m.top.m_wlast = beat >= 2; }); }},
    {"WLAST missing", [](Master& m) { m.write(0, 4, [&](int) { m.top.m_wlast = 0; }); }},
    {"WID", [](Master& m) { m.write(0, 4, [&](int beat) { m.top.m_wid = beat == 3; }); }},
    {"W before AW", [](Master& m) { m.cycle([&] { m.top.m_wvalid = 1; }); }},
    {"ARVALID falls", [](Master& m) { m.cycle([&] { m.refuse(), m.top.m_arvalid = 1; }), m.cycle([&] { m.top.m_arvalid = 0; }); }},
    {"AW changes", [](Master& m) {
         m.cycle([&] { m.refuse(), m.top.m_awvalid = 1, m.top.m_awaddr = BASE; });
         m.cycle([&] { m.top.m_awaddr += 8; });
     }},
    {"W changes", [](Master& m) {
         m.cycle([&] { m.refuse(), m.top.m_awvalid = m.top.m_wvalid = 1, m.top.m_awaddr = BASE, m.top.m_awlen = 1; });
         m.cycle([&] { m.top.m_wdata = 1; });
     }},
};

}  // namespace

int main(int count, char** names) {
    if (count != 3 || !RULES.count(names[2])) return 1;
    Master master(std::atoi(names[1]));
    RULES.at(names[2])(master);
    std::puts(master.bench.violation.c_str());
    return 0;
}
