"""Activations that become tables: twin, training, export, and every code as float32 execution has it."""

import numpy as np
import pytest
import torch
from qonnx.core.onnx_exec import execute_onnx
from settled import settled
from torch import nn
from torch.nn import functional as F
from written_networks import Written, conv

from quant.base.errors import ExportError
from quant.data.pairs import to_input
from quant.export.trained_proof import prove_tables
from quant.integer.compiled.engine import compiled_engine
from quant.integer.ort_engine import OrtEngine
from quant.integer.program import Table
from quant.integer.torch_engine import TorchEngine
from quant.operators.table import TABLES
from quant.twin.config import QuantConfig
from quant.twin.twin import build_twin

SEED, SIZE = 6, 12
W4A4 = QuantConfig.read("w4a4")


def all_of_them(net, x):
    """Each behind a BN; every other one has a BN behind it, too."""
    for index, (layer, norm, activation, behind) in enumerate(
        zip(net.layers, net.norms, net.activations, net.behind, strict=True)
    ):
        x = activation(norm(layer(x)))
        x = behind(x) if index % 2 else x
    return x + F.silu(x)


def network():
    torch.manual_seed(SEED)
    made = {"layers": conv, "norms": lambda: nn.BatchNorm2d(4), "behind": lambda: nn.BatchNorm2d(4)}
    layers = {name: nn.ModuleList(make() for _ in TABLES) for name, make in made.items()}
    return Written(all_of_them, **layers, activations=nn.ModuleList(kind() for kind in TABLES))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A settled twin, its structure, its graph and its program."""
    made = settled(network(), (SIZE, SIZE), W4A4, tmp_path_factory.mktemp("tables") / "model.qonnx")
    assert made.tables > 0
    return made.twin, made.structure, made.model, made.program


def test_each_is_a_table_of_the_codes_before_it(made):
    _, structure, _, program = made
    tables = [step for step in program.steps if isinstance(step, Table)]
    assert len(tables) == len(TABLES) + 1 == len(structure.tables())
    for index, table in enumerate(tables[:-1]):
        assert table.words.shape == (4 if index % 2 else 1, 256), "of 8 bits; of each channel where a BN is behind"
        assert len(np.unique(table.words)) > 2


def test_engines_give_what_qonnx_executes(made):
    _, _, model, program = made
    codes = np.random.default_rng(SEED).integers(0, 256, (5, SIZE, SIZE, 3)).astype(np.uint8)
    images = codes.transpose(0, 3, 1, 2).astype(np.float32) / 256
    found = [execute_onnx(model, {model.graph.input[0].name: image[None]}) for image in images]
    wanted = np.concatenate([next(iter(each.values())) for each in found]).transpose(0, 2, 3, 1) / program.logit_scale
    assert wanted.std() > 0
    np.testing.assert_array_equal(TorchEngine(program, "cpu").run(codes), wanted)
    np.testing.assert_array_equal(OrtEngine(program, threads=1).run(codes), wanted)
    np.testing.assert_array_equal(compiled_engine(program).run(codes), wanted)


def test_brevitas_gives_the_words_for_every_code_and_another_twin_does_not(made):
    twin, structure, _, program = made
    compared = sum(step.words.shape[1] * 4 for step in program.steps if isinstance(step, Table))
    assert prove_tables(twin, structure.tables(), program) == compared
    table = twin.network.get_submodule(structure.tables()[0].table)
    table.shift += 0.1
    with pytest.raises(ExportError, match=r"activation 'activations.0', channel 0: Brevitas makes code -?\d+ to"):
        prove_tables(twin, structure.tables(), program)
    table.shift -= 0.1


def test_a_twin_with_tables_trains():
    twin = build_twin(network(), 3, W4A4).train()
    twin(to_input(torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8))).square().mean().backward()
    learned = {name: value for name, value in twin.named_parameters() if value.requires_grad}
    assert all(value.grad is not None and value.grad.isfinite().all() for value in learned.values())
    assert any(value.grad.abs().sum() > 0 for value in learned.values())
