// The memory port of a Verilated sim_top, as plain variables that a test sets.
#pragma once
#include <cstdint>
struct Vsim {
    uint8_t m_awvalid = 0, m_awready = 0, m_awlen = 0, m_awsize = 3, m_awburst = 1, m_wvalid = 0, m_wready = 0, m_wstrb = 255;
    uint8_t m_wlast = 0, m_bvalid = 0, m_bready = 1, m_bresp = 0, m_arvalid = 0, m_arready = 0, m_arlen = 0, m_arsize = 3;
    uint8_t m_arburst = 1, m_rvalid = 0, m_rready = 1, m_rresp = 0, m_rlast = 0;
    uint16_t m_awid = 0, m_wid = 0, m_bid = 0, m_arid = 0, m_rid = 0;
    uint64_t m_awaddr = 0, m_wdata = 0, m_araddr = 0, m_rdata = 0;
};
