"""The HLS accelerator executed: all layers of a network of two levels in C++, and what a defect or bad set-up says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

sys.path.insert(0, str(Path(__file__).parents[1]))
import exports

from hw_build.backends.hls import csim, network
from hw_build.backends.hls.csim import compile_program, find_headers
from hw_build.backends.hls.execution import compare_layers
from hw_build.backends.hls.layer_benches import check_names, write_layer_bench
from hw_build.backends.hls.program import write_program
from hw_build.base.errors import BuildError, ConfigError, LoweringError, MismatchError
from hw_build.base.export import read_export
from hw_build.cli import main as cli
from hw_build.report.data import read_report
from hw_build.simulate import toolchain


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """(export folder, build directory) of a small network after the command ``hls``, which found no vendor tools."""
    folder = tmp_path_factory.mktemp("hls")
    export = exports.write_export(folder / "export")
    options = ["--export", str(export), "--out", str(folder / "build")]
    fold = ["--folding", "2600"]  # so fast that depthwise layers take several taps a beat
    assert cli.main(["build", *options, *fold, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
        assert cli.main(["hls", *options]) == 3
    return export, folder / "build"


@pytest.fixture
def sources(build, tmp_path):
    """(model, folder) of the layers' sources, free to be changed."""
    shutil.copytree(build[1] / "hls", tmp_path / "hls")
    return ModelWrapper(str(tmp_path / "hls" / "graph.onnx")), tmp_path / "hls"


def compiled(model, folder):
    program = network.read_network(model, folder)
    write_program(program, folder / "network")
    return compile_program(program, folder / "network", find_headers(None))


def test_whole_graph_is_exact_and_the_report_says_so(build):
    report = read_report(build[1] / "report.json")
    (line,) = [line for line in report.verification if line.step == "hls"]
    assert line.exact and report.exact
    assert re.match(r"golden logits of 2 images, whole; numpy, \d+ tensors of 1 image; g\+\+, stand-in", line.against)
    model = ModelWrapper(str(build[1] / "hls" / "graph.onnx"))
    kinds = {node.op_type for node in model.graph.node}
    assert kinds == {
        *("MVAU_hls", "VVAU_hls", "Thresholding_hls", "ElementwiseAdd_hls", "DuplicateStreams_hls", "Pool_hls"),
        *("BilinearUpsample_hls", "ConvolutionInputGenerator_rtl", "ZeroPad_hls"),
    }
    assert {getCustomOp(node).get_nodeattr("SIMD") for node in model.get_nodes_by_op_type("VVAU_hls")} >= {3, 5}
    outputs = sum(len(node.output) for node in model.graph.node)
    assert f"numpy, {outputs} tensors" in line.against


def test_flipped_weight_bit_is_seen_in_its_layer(build, sources):
    model, folder = sources
    memory = folder / "MVAU_hls_3" / "memblock.dat"
    first, *others = memory.read_text().split()
    flipped = f"{int(first, 16) ^ 1:0{len(first)}x}"
    memory.write_text("\n".join([flipped, *others]) + "\n")
    export = read_export(build[0])
    simulation = compiled(model, folder)
    with pytest.raises(MismatchError, match=r"step hls: layer MVAU_hls_3 differs from its reference in \d+ of"):
        compare_layers(simulation, model, export.codes[:1], folder / "mismatch")
    with np.load(folder / "mismatch" / "mismatch_hls.npz") as saved:
        assert (saved["found"] != saved["expected"]).any()
    assert (simulation.run_whole(export.codes).reshape(export.logits.shape) != export.logits).any()


def test_golden_logits_that_differ_end_the_command(build, capsys, tmp_path):
    shutil.copytree(build[0], tmp_path / "export")
    one_more = np.zeros(read_export(build[0]).logits.shape, np.int32)
    one_more[0, 0, 7] = 1
    exports.change_golden(tmp_path / "export", logits=lambda logits: logits + one_more)
    copied = shutil.copytree(build[1], tmp_path / "build")
    assert cli.main(["hls", "--export", str(tmp_path / "export"), "--out", str(copied)]) == 2
    assert "error: step hls: 1 of 1024 logits differ from the golden ones" in capsys.readouterr().err
    (line,) = [line for line in read_report(copied / "report.json").verification if line.step == "hls"]
    assert not line.exact and "1 of 1024" in line.first_difference
    assert cli.main(["hls", "--out", str(copied)]) == 3  # other sources, which nobody has executed
    assert not [line for line in read_report(copied / "report.json").verification if line.step == "hls"]


def test_layer_that_does_not_compile_is_named_with_its_file(sources):
    model, folder = sources
    top = folder / "Pool_hls_0" / "top_Pool_hls_0.cpp"
    top.write_text(top.read_text().replace("MaxPoolFunction<", "MinPoolFunction<"))
    sentence = r"layer Pool_hls_0 does not compile: .*MinPoolFunction.*'.*/network/Pool_hls_0.cpp' line \d+\)"
    with pytest.raises(BuildError, match=sentence):
        compiled(model, folder)


def test_missing_header_is_named_with_a_layer_that_needs_it(sources, monkeypatch, tmp_path):
    model, folder = sources
    stand_ins, ap_types = find_headers(None).folders
    shutil.copytree(stand_ins, tmp_path / "hlslib")
    shutil.copytree(ap_types, tmp_path / "vitis" / "include")
    (tmp_path / "hlslib" / "dup.hpp").unlink()
    monkeypatch.setenv("XILINX_HLS", str(tmp_path / "vitis"))
    program = network.read_network(model, folder)
    write_program(program, folder / "network")
    with pytest.raises(BuildError, match=r"layer DuplicateStreams_hls_\d includes dup.hpp, which is missing"):
        compile_program(program, folder / "network", find_headers(tmp_path / "hlslib"))
    (tmp_path / "vitis" / "include" / "ap_int.h").unlink()
    with pytest.raises(BuildError, match=r"include' has no ap_int.h"):
        find_headers(tmp_path / "hlslib")
    monkeypatch.delenv("XILINX_HLS")
    with pytest.raises(BuildError, match="needs the headers of Vitis HLS: set XILINX_HLS"):
        find_headers(tmp_path / "hlslib")


def test_without_a_compiler_one_sentence_says_so(build, capsys, monkeypatch, tmp_path):
    copied = shutil.copytree(build[1], tmp_path / "build")
    monkeypatch.setenv("PATH", str(tmp_path))
    toolchain.compiler.cache_clear()
    try:
        assert cli.main(["hls", "--export", str(build[0]), "--out", str(copied)]) == 2
    finally:
        toolchain.compiler.cache_clear()
    assert "error: g++ is not on PATH" in capsys.readouterr().err


def test_full_disk_is_told_with_its_folders(sources, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("EDGESEG_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BuildError, match=r"cache folder .*cache/hls cannot be written \(.*\): set EDGESEG_CACHE"):
        compiled(*sources)
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "g++"
    fake.write_text(
        "#!/bin/sh\necho 'fatal error: error writing to x.s: No space left on device' >&2\nexit $(($# > 1))\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("EDGESEG_CACHE", str(tmp_path))
    monkeypatch.setattr(csim, "compiler", lambda: str(fake))
    with pytest.raises(BuildError, match=r"g\+\+ has no space left in '.*' or '.*': free some, or set TMPDIR"):
        compiled(*sources)


def test_node_with_rtl_alone_is_refused(sources, monkeypatch):
    model, folder = sources
    monkeypatch.setattr(network, "finn_node", lambda node: None)
    with pytest.raises(
        LoweringError, match=r"node ConvolutionInputGenerator_rtl_\d \(Conv.*\): there is RTL of it, but no C"
    ):
        network.read_network(model, folder)


@pytest.mark.parametrize(
    ("rows", "said"), [(511, "stream .* is not read to its end"), (513, "read while empty")], ids=["fewer", "more"]
)
def test_layer_that_reads_another_number_of_beats_is_told(build, sources, rows, said):
    model, folder = sources
    top = folder / "MVAU_hls_0" / "top_MVAU_hls_0.cpp"
    top.write_text(top.read_text().replace("numReps 512", f"numReps {rows}"))
    simulation = compiled(model, folder)
    with pytest.raises(BuildError, match=f"the C simulation of '.*' failed: .*{said}"):
        simulation.run_layers(read_export(build[0]).codes[:1])


def test_sums_and_thresholds_are_as_wide_as_their_values(sources):
    model, _ = sources
    for node in model.graph.node:
        if node.op_type == "MVAU_hls":
            op, weights = getCustomOp(node), model.get_initializer(node.input[1])
            codes = op.get_input_datatype(0)
            bound = int(max(np.abs(weights).sum(axis=0)) * max(codes.max(), -codes.min()))
            assert op.get_output_datatype().bitwidth() <= bound.bit_length() + 1
        if node.op_type == "Thresholding_hls":
            op = getCustomOp(node)
            assert op.get_input_datatype(1).bitwidth() <= op.get_input_datatype(0).bitwidth() + 1


@pytest.mark.slow
def test_program_for_vitis_has_sized_fifos_and_a_testbench_that_sees(build, tmp_path):
    program = shutil.copytree(build[1] / "hls" / "network", tmp_path / "network")
    source = (program / "network.cpp").read_text()
    depths = [int(depth) for depth in re.findall(r"#pragma HLS STREAM variable=\w+ depth=(\d+)", source)]
    assert min(depths) == 2 and max(depths) >= 64  # beats; the skip holds rows of pixels
    script = (program / "vitis_hls.tcl").read_text()
    assert "set_part xc7z020clg400-1" in script and "cosim_design" in script and "set_top edgeseg" in script
    assert "INTERFACE axis port=in" in source and source.count("#pragma HLS INTERFACE") == 3
    assert not any("INTERFACE" in path.read_text() for path in program.glob("*_hls_*.cpp"))
    flags = ["-std=c++17", "-O1", "-w", *(f"-I{folder}" for folder in find_headers(None).folders)]
    subprocess.run(["g++", *flags, "network.cpp", "testbench.cpp", "-o", "bench"], cwd=program, check=True)
    ran = subprocess.run(["./bench"], cwd=program, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "0 of 2 x 512 beats differ\n")
    golden = (program / "golden.dat").read_text().split()
    golden[-1] = f"{int(golden[-1], 16) ^ 1:#x}"
    (program / "golden.dat").write_text("\n".join(golden))
    ran = subprocess.run(["./bench"], cwd=program, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "1 of 2 x 512 beats differ\n")


def layer_benches(sources, names, codes):
    """The layers of ``names`` with their testbenches in their folders."""
    model, folder = sources
    simulation = compiled(model, folder)
    given = simulation.run_layers(codes)
    layers = check_names(simulation.network, names)
    for layer in layers:
        write_layer_bench(
            simulation.network, layer, given, folder / layer.layer, part="xc7z020clg400-1", clk_period_ns=10.0
        )
    return [folder / layer.layer for layer in layers]


def run_bench(layer):
    flags = ["-std=c++17", "-O1", "-w", *(f"-I{folder}" for folder in (layer, *find_headers(None).folders))]
    command = ["g++", *flags, f"top_{layer.name}.cpp", "testbench.cpp", "-o", "bench"]
    if not (layer / "bench").is_file():
        subprocess.run(command, cwd=layer, check=True)
    ran = subprocess.run(["./bench"], cwd=layer, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def test_testbench_of_a_layer_sees_a_bit(build, sources):
    codes = read_export(build[0]).codes[:1]
    (layer,) = layer_benches(sources, ("MVAU_hls_0", "MVAU_hls_0"), codes)
    status, said = run_bench(layer)
    assert status == 0 and re.fullmatch(r"0 of \d{3,} beats differ\n", said)
    golden = (layer / "golden.dat").read_text().split()
    (layer / "golden.dat").write_text("\n".join([*golden[:-1], f"{int(golden[-1], 16) ^ 1:#x}"]))
    status, said = run_bench(layer)
    assert status == 1 and said.startswith("1 of ")
    script = (layer / "cosim.tcl").read_text()
    assert "set_top MVAU_hls_0\n" in script and "cosim_design\nexit 0" in script and "export" not in script
    assert "add_files -tb golden.dat\nadd_files -tb memblock.dat\n" in script


@pytest.mark.slow
def test_testbench_of_every_layer(build, sources):
    layers = layer_benches(sources, ("all",), read_export(build[0]).codes[:1])
    kinds = {layer.name.rsplit("_", 1)[0] for layer in layers}
    assert len(layers) > 40 and len(kinds) == 7
    for kind in kinds:
        assert run_bench(next(layer for layer in layers if layer.name.startswith(kind)))[0] == 0, kind


def test_testbench_of_an_unknown_layer(sources):
    program = network.read_network(*sources)
    with pytest.raises(ConfigError, match=r"--testbench ZeroPad_hls_99: .* give all, or one of .*, MVAU_hls, .* with"):
        check_names(program, ("MVAU_hls_0", "ZeroPad_hls_99"))


def test_options_that_say_how_to_execute_need_the_export(build, capsys):
    for option in (["--no-synthesis"], ["--testbench", "all"]):
        assert cli.main(["hls", "--out", str(build[1]), *option]) == 2
        assert "give --export" in capsys.readouterr().err
    options = ["--export", str(build[0]), "--out", str(build[1])]
    assert cli.main(["hls", *options, "--mask", "mask.png"]) == 2
    assert "give --image, too" in capsys.readouterr().err


def test_image_that_cannot_be_read_leaves_everything_as_it_is(build, capsys, tmp_path):
    (tmp_path / "own.png").write_text("no image")
    before = {path: path.stat().st_mtime_ns for path in build[1].rglob("*")}
    options = ["--export", str(build[0]), "--out", str(build[1]), "--image", str(tmp_path / "own.png")]
    assert cli.main(["hls", *options]) == 2
    assert "own.png' is none of PNG" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in build[1].rglob("*")} == before


def test_image_is_executed_and_shown(build, capsys, tmp_path):
    export = read_export(build[0])
    image = exports.save_image(tmp_path / "own.png", np.flip(export.codes[0], axis=1))
    options = ["--export", str(build[0]), "--out", str(build[1]), "--image", str(image), "--no-synthesis"]
    assert cli.main(["hls", *options, "--testbench", "Pool_hls_0"]) == 0
    shown = capsys.readouterr().out
    assert "testbenches of 1 layers: cosim.tcl" in shown and (build[1] / "hls" / "Pool_hls_0" / "cosim.tcl").is_file()
    assert re.search(r"hls\W+exact\W+QONNX execution of 2 images", shown)
    report = read_report(build[1] / "report.json")
    assert (report.image.name, report.image.differing_logits) == ("own", 0)
