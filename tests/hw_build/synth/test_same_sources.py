"""What is synthesised is what is simulated: the same generated files, byte by byte, with the same parameters."""

from importlib import import_module

import numpy as np
import pytest

from hw_build.base.errors import BuildError
from hw_build.base.step_engine import hash_file
from hw_build.implement.shell import generate as shell
from hw_build.implement.synth import design as of_design
from hw_build.implement.synth.design import synthesise_design
from hw_build.implement.synth.instances import read_instances
from hw_build.simulate import accelerator as simulation
from hw_build.simulate.accelerator import build_simulator
from hw_build.stitch import TOP_MODULE, stitch
from tests.hw_build.hw_graphs import GraphBuilder


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    """A design with weights, a skip and a head: kernels, FIFOs, width converters, an output stage."""
    graph = GraphBuilder(16, 16, channels=3)
    skip, x = graph.fork(graph.threshold(graph.dense("global_in", 4, simd=3, pe=4), pe=2), pe=2)
    x = graph.add(skip, graph.depthwise(x, kernel=3, pe=2, simd=3), pe=2)
    return stitch(graph.model(graph.dense(x, 1, simd=2)), tmp_path_factory.mktemp("design"))


@pytest.fixture
def simulated(design, monkeypatch):
    """Hash of each source that Verilator is given, by name."""
    seen = {}

    class Enough(Exception):
        pass

    def stop(name, sources, build_dir, *, generated, **options):
        seen.update({path.name: hash_file(path) for path in sources})
        raise Enough

    monkeypatch.setattr(import_module("hw_build.simulate.build"), "build_library", stop)
    with pytest.raises(Enough):
        build_simulator(design)
    return seen


@pytest.fixture
def synthesised(design, monkeypatch, tmp_path):
    """Hash of each source that Yosys is given, by name; the parameters of every instance."""
    hashes, runs = {}, []

    async def note(module, files, parameters, *, netlist, **options):
        hashes.update({path.name: hash_file(path) for path in files})
        runs.append((module, tuple(sorted(parameters.items()))))
        netlist.write_text("a netlist")
        return {"LUT6": 1}

    monkeypatch.setenv("EDGESEG_CACHE", str(tmp_path))
    monkeypatch.setattr(of_design, "synthesise_beside_others", note)
    parts = synthesise_design(design)
    assert all(part.used is not None for part in parts)
    return hashes, runs


def test_hashes_are_the_same_and_those_that_were_stitched(design, simulated, synthesised):
    to_verilator, (to_yosys, _) = simulated, synthesised
    stitched = {path.name: hash_file(path) for path in design.rtl_files}
    assert to_verilator == stitched == {source.path.rpartition("/")[2]: source.sha256 for source in design.sources}
    assert to_yosys.items() <= to_verilator.items()
    assert "top.sv" not in to_yosys  # wires alone: its instances are synthesised one by one


def test_every_instance_of_the_simulated_top_is_synthesised_with_its_parameters(design, synthesised):
    assert not (design.build_dir / shell.FOLDER).exists()
    instances = read_instances((design.rtl_dir / "top.sv").read_text(), TOP_MODULE)
    assert {node.name for node in design.nodes} <= {instance.name for instance in instances}
    assert {(each.module, tuple(sorted(each.parameters.items()))) for each in instances} == set(synthesised[1])


def test_neither_takes_a_file_that_was_changed(tmp_path):
    graph = GraphBuilder(16, 16, channels=1)
    design = stitch(graph.model(graph.dense(graph.threshold(graph.dense("global_in", 2)), 1)), tmp_path)
    path = design.rtl_dir / design.sources[0].path
    path.write_text(path.read_text() + "\n")
    codes = np.zeros((1, 16, 16, 1), np.uint8)
    for use in (build_simulator, synthesise_design, lambda design: simulation.simulate(design, codes)):
        with pytest.raises(BuildError, match=f"{path.name} is not the file that was stitched and simulated"):
            use(design)
