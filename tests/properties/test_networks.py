"""Random networks from PyTorch modules to the stitched accelerator: every step exact, or one sentence says why not.

`quant` compares torch, qonnx and the integer reference as it exports; `build` every graph with the one before it;
`simulate` the RTL with the golden logits. What is exported must lower, and `check` must say so.
"""

from collections import Counter
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given

from hw_build.cli.main import main as hw_build
from hw_build.simulate import toolchain
from models import registry
from quant.__main__ import main as quant
from tests.properties.examples import examples
from tests.properties.networks import PLANS, QUANTIZATIONS, SIZE, Planned

torch.set_num_threads(1)


@dataclass(frozen=True, kw_only=True)
class Config:
    in_channels: int
    classes: int = 1
    input_size: int = SIZE


@pytest.fixture
def walk(monkeypatch, capsys, tmp_path_factory):
    """Takes a plan to a stitched build, or as far as a sentence; returns how far, and the options of the build."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))

    def run(stage, main, *arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr().err.splitlines()
        assert status in (0, 2), (stage, said)
        if status:
            assert said[-1].startswith("error: ") and "a defect of this program" not in said[-1], (stage, said)
        return status

    def walk(plan, widths):
        folder = tmp_path_factory.mktemp("network")
        registry._ENTRIES.pop("planned", None)
        registry.register("planned", "drawn", Config(in_channels=plan["channels"]), lambda config: Planned(plan))
        (folder / "bits.toml").write_text(widths.as_toml())
        twin, export, out = (folder / name for name in ("twin.pt", "export", "build"))
        made = ("--model", "planned", "--quant", folder / "bits.toml", "--size", SIZE, "--seed", plan["seed"])
        if run("untrained", quant, "untrained", *made, "--out", twin):
            return "no twin", ()
        if run("export", quant, "export", "--checkpoint", twin, "--out", export):
            return "not exported", ()
        assert hw_build(["check", str(export / "model.qonnx")]) == 0, "what is exported lowers"
        options = ("--export", export, "--out", out)
        assert run("build", hw_build, "build", *options, "--board", "zcu104", "--stop-after", "stitch") == 0
        return "stitched", options

    return walk


@pytest.fixture
def counted():
    """Counts how far examples came, and shows it."""
    counts = Counter()
    yield counts
    print(dict(counts))


@examples(default=6, slow=500)
@given(plan=PLANS, widths=QUANTIZATIONS)
def explore(plan, widths, walk, counted):
    counted[walk(plan, widths)[0]] += 1


def test_networks_are_exact_up_to_the_stitched_accelerator(walk, counted):
    explore(walk=walk, counted=counted)
    assert counted["stitched"] > 0.8 * counted.total(), counted


@examples(default=2, slow=40)
@given(plan=PLANS, widths=QUANTIZATIONS)
def simulated(plan, widths, walk, counted):
    reached, options = walk(plan, widths)
    if reached == "stitched":
        stalls = ("--idle", "0.3", "--stall", "0.3", "--seed", plan["seed"])
        assert hw_build([str(part) for part in ("simulate", *options, *stalls)]) == 0, "the RTL is exact"
        reached = "simulated"
    counted[reached] += 1


def test_networks_are_exact_in_simulated_rtl(walk, counted, monkeypatch):
    """Compiled without optimisation: frames of 16x16 are soon simulated."""
    compile_object = toolchain.compile_object
    monkeypatch.setattr(toolchain, "compile_object", lambda source, target, *_: compile_object(source, target, "-O0"))
    simulated(walk=walk, counted=counted)
    assert counted["simulated"] > 0.8 * counted.total(), counted
