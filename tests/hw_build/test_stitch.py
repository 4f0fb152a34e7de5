"""Stitched accelerators: whole frames against the graph's Python execution, under stalls; deadlock; refusals."""

import json

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from qonnx.core.onnx_exec import execute_onnx

from hw_build.base.errors import BuildError
from hw_build.simulate import DeadlockError, build
from hw_build.simulate.accelerator import BEATS, GAUGE_WORDS, build_simulator, measure_nodes, simulate
from hw_build.stitch import Design, stitch
from hw_build.stitch.design import Stream
from hw_build.stitch.graph import fork_depth
from hw_build.stitch.stitcher import STREAM_RTL
from tests.hw_build.hw_graphs import FINN, GraphBuilder


def two_levels(height, width, seed=0):
    """3x3, fork, pool, depthwise, 3x3, bilinear; joined by a sum; 1x1 head: odd channel counts, differing foldings."""
    graph = GraphBuilder(height, width, seed=seed)
    x = graph.threshold(graph.dense("global_in", 10, kernel=3, simd=9, pe=5, swg_simd=3, weight_bits=8), pe=2)
    skip, x = graph.fork(x, pe=2)
    x = graph.depthwise(graph.max_pool(x, pe=5), kernel=5, pe=5, simd=5)
    x = graph.threshold(graph.dense(x, 10, kernel=3, simd=6, pe=2, swg_simd=2), pe=1)
    x = graph.threshold(graph.upsample(x, pe=1), pe=5, spread=0.6)
    x = graph.add(skip, x, pe=2)
    x = graph.threshold(x, pe=10, spread=0.9)
    return graph.model(graph.bias(graph.dense(x, 1, simd=5, pe=1, weight_bits=8), 1100))


def frames(model, count, seed):
    """Random codes (N, H, W, C) and their logits by Python execution."""
    shape = model.get_tensor_shape("global_in")
    codes = np.random.default_rng(seed).integers(0, 256, size=(count, *shape[1:]), dtype=np.uint8)
    codes[0] //= 4  # a dark frame beside bright ones
    outputs = [execute_onnx(model, {"global_in": c[None].astype(np.float32)})["global_out"] for c in codes]
    return codes, np.concatenate(outputs).astype(np.int32)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    model = two_levels(16, 32)
    design = stitch(model, tmp_path_factory.mktemp("accelerator"))
    return model, design, build_simulator(design)


@pytest.mark.parametrize(("idle", "stall"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.7), (0.4, 0.4)])
@pytest.mark.parametrize("mask_mode", [False, True])
def test_frames_back_to_back_are_exact(built, idle, stall, mask_mode):
    model, design, simulator = built
    codes, logits = frames(model, 3, seed=1)
    assert 0.02 < (logits > 0).mean() < 0.98
    run = simulate(design, codes, mask_mode=mask_mode, idle=idle, stall=stall, seed=5, simulator=simulator)
    assert np.array_equal(run.masks, logits[..., 0] > 0)
    if not mask_mode:
        assert np.array_equal(run.logits, logits)


def test_a_frame_alone_gives_the_same(built):
    model, design, simulator = built
    codes, logits = frames(model, 3, seed=1)
    alone = [simulate(design, codes[i : i + 1], simulator=simulator).logits for i in range(3)]
    assert np.array_equal(np.concatenate(alone), logits)


def test_rate_is_that_of_the_slowest_node(built):
    _, design, simulator = built
    codes = np.zeros((4, *design.image_shape), np.uint8)
    run = simulate(design, codes, simulator=simulator)
    measured = measure_nodes(design, simulator=simulator)
    assert None not in measured.values()
    assert run.cycles_per_frame == pytest.approx(max(measured.values()), rel=0.02)
    interval = 1.25 * run.cycles_per_frame
    throttled = simulate(design, codes, simulator=simulator, source_cycles_per_frame=interval)
    assert throttled.cycles_per_frame == pytest.approx(interval, rel=0.01)
    assert run.first_in[0] < run.last_out[0] < run.last_out[1]


def test_marks_of_all_streams_are_reported(built):
    model, design, simulator = built
    codes, _ = frames(model, 2, seed=1)
    run = simulate(design, codes, simulator=simulator)
    for use, stream in zip(run.streams, design.streams, strict=True):
        assert 1 <= use.peak <= use.depth
        assert use.beats >= 2 * stream.beats_per_frame
    skip = next(s for s in design.streams if s.label == "StreamFork_rtl_0 -> StreamAdd_rtl_0")
    assert skip.depth == fork_depth(skip.beats_per_frame) > 12 * skip.beats_per_frame


def test_design_json_describes_the_folder(built):
    _, design, _ = built
    again = Design.load(design.build_dir)
    assert again == design
    assert {n.origin for n in again.nodes} == {"finn", "edgeseg"}
    assert all((design.rtl_dir / s.path).is_file() for s in again.sources)
    text = (design.rtl_dir / "top.sv").read_text()
    assert str(design.build_dir) not in text
    finn_sources = [s.path for s in again.sources if s.path.startswith(("finn/", "generated/"))]
    assert finn_sources
    for path in finn_sources:
        assert "Redistribution and use in source and binary forms" in (design.rtl_dir / path).read_text()


def test_generated_rtl_keeps_finn_s_notice(built):
    sources = list((built[1].rtl_dir / "finn").glob("*.sv"))
    assert sources and all("Copyright" in path.read_text() for path in sources)


def test_shallow_skip_deadlocks_and_the_error_names_the_chain(tmp_path):
    graph = GraphBuilder(16, 16)
    x = graph.threshold(graph.dense("global_in", 2, simd=3, pe=2), pe=2)
    skip, x = graph.fork(x, pe=2)
    x = graph.add(skip, graph.depthwise(x, kernel=5, pe=2, simd=25), pe=2)
    model = graph.model(graph.dense(x, 1, simd=2))
    codes, logits = frames(model, 2, seed=2)
    assert np.array_equal(simulate(stitch(model, tmp_path / "deep"), codes).logits, logits)
    shallow = stitch(model, tmp_path / "shallow", fifo_depths={skip: 8})
    match = (
        r"deadlock.*full FIFOs: .*StreamFork_rtl_0 -> StreamAdd_rtl_0 \(8 of 8\).*"
        r"empty FIFOs before the same nodes: DepthwiseConv_rtl_0 -> StreamAdd_rtl_0"
    )
    with pytest.raises(DeadlockError, match=match):
        simulate(shallow, codes)


def test_work_inside_is_no_deadlock(built):
    model, design, simulator = built
    codes, logits = frames(model, 1, seed=1)
    pixels, beats = [codes.reshape(-1, codes.shape[-1])], [design.layout.logit_words]
    with pytest.raises(DeadlockError, match="no stream moved for 40 cycles"):  # the ports rest for longer
        simulator.run(pixels, beats, max_idle_cycles=40)
    counts = [GAUGE_WORDS * i + BEATS for i in range(len(design.streams))]
    words = simulator.run(pixels, beats, max_idle_cycles=40, inner_beats=counts).outputs[0].view("<u4")
    assert np.array_equal(design.layout.logits(words.reshape(-1)), logits)


def test_frames_of_another_size_are_refused(built):
    _, design, simulator = built
    with pytest.raises(BuildError, match=r"frames are uint8 \(1, 16, 16, 3\), the accelerator takes uint8 \(N, 16, 32"):
        simulate(design, np.zeros((1, 16, 16, 3), np.uint8), simulator=simulator)


def small(change=None, height=16):
    graph = GraphBuilder(height, 16)
    x = graph.threshold(graph.dense("global_in", 4, simd=3, pe=2), pe=2)
    model = graph.model(graph.dense(x, 1, simd=2))
    if change:
        change(model)
    return model


def second_reader(model):
    model.graph.node[-1].input[0] = model.graph.node[0].output[0]


def wrong_width(model):
    node = model.graph.node[-1]
    next(a for a in node.attribute if a.name == "inputDataType").s = b"UINT5"


def unknown_node(model):
    model.graph.node[1].op_type, model.graph.node[1].domain = "Squeeze_rtl", FINN


def bad_name(model):
    model.graph.node[0].name = "a b"


def not_codes(model):
    model.set_tensor_datatype("global_in", DataType["UINT4"])


def two_images(model):
    model.set_tensor_shape("global_out", [2, 16, 16, 1])


def many_classes(model):
    model.set_tensor_shape("global_out", [1, 16, 16, 257])


def many_channels(model):
    model.set_tensor_shape("global_in", [1, 16, 16, 17])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (second_reader, "is read by Threshold_rtl_0 and ConvThreshold_rtl_1: insert a fork"),
        (wrong_width, "writes elements of 4 bits, ConvThreshold_rtl_1 reads 5 bits"),
        (unknown_node, "Squeeze_rtl has no RTL here"),
        (bad_name, "node name 'a b' .* is not a unique identifier"),
        (not_codes, r"input global_in is UINT4 \[1, 16, 16, 3\], must be UINT8"),
        (two_images, r"must be integer logits of pixels, \(1, height, width, classes\)"),
        (many_classes, "has 257 logits a pixel; an index of the largest is a byte: at most 256 classes lower"),
        (many_channels, "the image has 17 channels, the shell takes at most 16: give fewer"),
    ],
)
def test_graphs_that_cannot_be_stitched_are_refused(tmp_path, change, match):
    with pytest.raises(BuildError, match=match):
        stitch(small(change), tmp_path)
    assert not (tmp_path / "rtl").exists()


def test_unknown_fifo_depth_is_refused(tmp_path):
    with pytest.raises(BuildError, match="FIFO depths name unknown tensors nowhere"):
        stitch(small(), tmp_path, fifo_depths={"nowhere": 8})


def test_unwritable_build_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match=r"build directory .* cannot be written"):
        stitch(small(), tmp_path / "file")


@pytest.mark.parametrize("content", [None, "{", json.dumps({"nodes": []})])
def test_design_that_cannot_be_read_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "design.json").write_text(content)
    with pytest.raises(BuildError, match=r"design\.json (cannot be read|is not a design of this version)"):
        Design.load(tmp_path)


def test_stream_labels():
    stream = Stream(
        tensor="t", producer="a", consumer="b", element_bits=4, producer_elements=1, consumer_elements=1,
        beats_per_frame=4, depth=4,
    )  # fmt: skip
    assert stream.label == "a -> b"


@pytest.mark.parametrize(("into", "out"), [(1, 4), (6, 2), (3, 3), (5, 15)])
def test_width_converter(tmp_path_factory, into, out):
    from board.packing import pack_stream, unpack_stream
    from hw_build.kernels.base import StreamPort

    def port(prefix, elements):
        return StreamPort(
            tdata=f"{prefix}_axis_tdata", tvalid=f"{prefix}_axis_tvalid", tready=f"{prefix}_axis_tready",
            width_bits=5 * elements, payload_bits=5 * elements, element_bits=5,
        )  # fmt: skip

    simulator = build(
        "stream_width", [STREAM_RTL / "stream_width.sv"], tmp_path_factory.mktemp("width"),
        parameters={"ELEMENT_BITS": "5", "IN_ELEMENTS": str(into), "OUT_ELEMENTS": str(out)},
        inputs=[port("s", into)], outputs=[port("m", out)],
    )  # fmt: skip
    elements = np.random.default_rng(0).integers(0, 32, size=(40, 30))
    for idle, stall in [(0.0, 0.0), (0.5, 0.2), (0.2, 0.5)]:
        result = simulator.run([pack_stream(elements, into, 5)], [1200 // out], idle=idle, stall=stall, seed=1)
        assert np.array_equal(unpack_stream(result.outputs[0], elements.shape, out, 5), elements)
    narrow = max(1200 // into, 1200 // out)
    assert simulator.run([pack_stream(elements, into, 5)], [1200 // out]).output_cycles[0][-1] <= narrow + 2
