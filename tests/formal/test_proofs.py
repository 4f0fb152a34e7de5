"""Proofs for small parameters, all inputs and all times: order, no loss, stability, an answer. Each proof can fail."""

from pathlib import Path

import pytest

import hw_build
from hw_build.implement.synth.yosys import SynthesisError
from tests.formal.prover import HERE, prove

SOURCE = Path(hw_build.__file__).parent
# module: (its sources, the last being the module's own; what its bench needs beside it)
SOURCES = {
    "stream_fifo2": (["rtl/stream/stream_fifo2.sv"], ["queue_model.sv"]),
    "stream_fifo": (["rtl/stream/stream_fifo.sv"], ["queue_model.sv"]),
    "stream_fifo_packed": (["rtl/stream/stream_fifo_packed.sv"], ["queue_model.sv"]),
    "stream_fifo_ultra": (["rtl/stream/stream_fifo_ultra.sv"], ["queue_model.sv"]),
    "stream_edge": (["rtl/stream/stream_fifo.sv", "rtl/stream/stream_fifo_packed.sv", "rtl/stream/stream_edge.sv"], []),
    "stream_width": (["rtl/stream/stream_width.sv"], []),
    "stream_fork": (["kernels/fork/stream_fork.sv"], []),
    "thresholds_serial": (["rtl/lib/rom.sv", "rtl/lib/thresholds_serial.sv"], []),
    "burst_split": (["rtl/shell/burst_split.sv"], []),
    "axi_control": ([f"rtl/shell/{each}.sv" for each in ("axi_pkg", "edgeseg_registers_pkg", "axi_control")], []),
    "control_split": (["rtl/shell/axi_pkg.sv", "rtl/joint/control_split.sv"], []),
}
PROOFS = [
    ("stream_fifo2", {}),
    *(("stream_fifo", {"DEPTH": depth}) for depth in (2, 3, 4, 5, 6)),
    *(("stream_fifo_packed", {"BEATS": beats, "DEPTH": depth}) for beats, depth in ((2, 4), (2, 5))),
    ("stream_fifo_ultra", {"BEATS": 2, "DEPTH": 2}),
    ("stream_edge", {"GAUGE": 0}),
    ("stream_edge", {"GAUGE": 1}),
    *(("stream_width", {"IN": n, "OUT": m}) for n, m in ((1, 2), (1, 3), (2, 4), (2, 1), (3, 1), (4, 2), (2, 2))),
    *(("stream_fork", {"OUTPUTS": outputs}) for outputs in (2, 3, 7)),
    *(("thresholds_serial", {"NUM_T": t, "Y_BITS": y, "ROWS": r}) for t, y, r in ((3, 2, 2), (2, 2, 1), (5, 3, 3))),
    *(("burst_split", {"MAX_BURST": beats}) for beats in (2, 4, 8)),
    ("control_split", {}),
]
SLOW = [
    ("axi_control", {}),
    ("stream_fifo_packed", {"BEATS": 3, "DEPTH": 6}),
    ("stream_fifo_packed", {"BEATS": 3, "WIDTH": 3, "DEPTH": 9, "FULL_BANK": 2}),  # two banks
    *(("stream_fifo_ultra", {"BEATS": beats, "DEPTH": depth}) for beats, depth in ((1, 2), (2, 3), (3, 3), (4, 4))),
]
# one line of the module made wrong, and the cycles from power-up within which the bench must say so
MUTANTS = [
    ("stream_fifo2", {}, "if (!free_q) head_q <= spare_q;", "if (free_q) head_q <= spare_q;", 6),
    ("stream_fifo2", {}, "free_q <= 1'b0;", "free_q <= 1'b1;", 6),
    ("stream_fifo", {"DEPTH": 3}, "head_q == PTR_BITS'(DEPTH - 1)", "head_q == PTR_BITS'(DEPTH - 2)", 8),
    ("stream_fifo", {"DEPTH": 3}, "data_q[head_q]", "data_q[0]", 6),
    ("stream_fifo", {"DEPTH": 5}, "one_free = level_q == LEVEL_BITS'(DEPTH - 1)", "one_free = 1'b0", 14),
    ("stream_fifo", {"DEPTH": 5}, "valid_q  <= load || (valid_q && !m_axis_tready)", "valid_q  <= load", 8),
    ("stream_fifo_packed", {"BEATS": 2, "DEPTH": 4}, "word_valid_q && out_beat_q == LAST_BEAT", "word_valid_q", 10),
    ("stream_fifo_packed", {"BEATS": 2, "DEPTH": 4}, "!ahead_q && out_beat_q", "out_beat_q", 10),
    ("stream_fifo_packed", {"BEATS": 2, "DEPTH": 4}, "fetch = stored_q && !ahead_q", "fetch = stored_q", 14),
    ("stream_edge", {"GAUGE": 1}, "fifo_m_tvalid || isolate", "fifo_m_tvalid", 4),
    ("stream_edge", {"GAUGE": 1}, "s_axis_tvalid && !isolate", "s_axis_tvalid", 4),
    ("stream_width", {"IN": 1, "OUT": 2}, "{s_axis_tdata, data_q[", "{~s_axis_tdata, data_q[", 6),
    ("stream_width", {"IN": 1, "OUT": 2}, "!valid_q || m_axis_tready;", "1'b1;", 8),
    ("stream_width", {"IN": 2, "OUT": 1}, "last_q && m_axis_tready", "m_axis_tready", 8),
    ("stream_fork", {"OUTPUTS": 2}, "&(taken_q | y_ready)", "|(taken_q | y_ready)", 4),
    ("stream_fork", {"OUTPUTS": 2}, "& ~taken_q", "| ~taken_q", 6),
    ("thresholds_serial", {}, "$signed(acc_q) >= $signed(threshold)", "$signed(acc_q) > $signed(threshold)", 8),
    ("thresholds_serial", {}, "start ? {group, Y_BITS'(1)}", "start ? {group_q, Y_BITS'(1)}", 8),
    ("burst_split", {"MAX_BURST": 4}, "32'(beats_q) < 32'(to_block_end)", "1'b1", 8),
    ("burst_split", {"MAX_BURST": 4}, "frames_q == 32'd1", "frames_q == 32'd2", 12),
    ("control_split", {}, "m_second.aw.valid = s_axi.aw.valid && !writing_q", "m_second.aw.valid = s_axi.aw.valid", 6),
    ("control_split", {}, "s_axi.r_ready && s_axi_reply.r.last) reading_q", "s_axi.r_ready) reading_q", 6),
]  # fmt: skip

SLOW_MUTANTS = [
    ("stream_fifo_ultra", {"DEPTH": 2}, "words_q != WORDS_BITS'(put_last_q)", "words_q != '0", 12),
    ("stream_fifo_ultra", {"DEPTH": 2}, "in_ring_q  <= in_beat_q", "in_ring_q <= '0", 12),
    ("stream_fifo_ultra", {"DEPTH": 2}, "seen_q <= whole ? '0 : in_ring_q", "seen_q <= '0", 12),
    ("stream_fifo_ultra", {"DEPTH": 2}, "WORDS_BITS'(WORDS - 1)", "WORDS_BITS'(WORDS)", 16),
    ("axi_control", {}, "(addr & ~wrap) | (step & wrap)", "step", 8),
    ("axi_control", {}, "if (w_beat_resp > w_resp_q) w_resp_q", "w_resp_q", 8),
    ("axi_control", {}, "r.last = r_left_q == '0", "r.last = 1'b1", 6),
]


def bench(module, change=lambda text: text):
    """What the proof of ``module`` reads: packages first, the module with ``change`` made to it, its bench."""
    sources, models = SOURCES[module]
    texts = [(SOURCE / name).read_text() for name in sources]
    return [*texts[:-1], change(texts[-1]), *(HERE / name for name in models), HERE / f"{module}_proof.sv"]


@pytest.mark.parametrize(
    ("module", "parameters"), [*PROOFS, *(pytest.param(*proof, marks=pytest.mark.slow) for proof in SLOW)]
)
def test_holds_for_all_inputs_for_ever(module, parameters):
    prove(bench(module), parameters)


@pytest.mark.parametrize(
    ("module", "parameters", "right", "wrong", "cycles"),
    [*MUTANTS, *(pytest.param(*mutant, marks=pytest.mark.slow) for mutant in SLOW_MUTANTS)],
)
def test_a_wrong_line_is_found(module, parameters, right, wrong, cycles):
    def change(text):
        assert text.count(right) == 1
        return text.replace(right, wrong)

    prove(bench(module, change), parameters, falsify_within=cycles)


@pytest.mark.parametrize(("module", "parameters"), PROOFS[:1])
def test_what_holds_is_not_falsified(module, parameters):
    with pytest.raises(SynthesisError, match="falsify"):
        prove(bench(module), parameters, falsify_within=6)
