"""Rows of kernels in UltraRAM as an option of the folding: where it is legal, and when the optimiser takes it."""

from dataclasses import replace

import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.board_config import load_board
from hw_build.base.errors import ConfigError
from hw_build.flow.scale.point import at_rate as at_rate_on
from hw_build.folding.apply import fold_as_asked
from hw_build.folding.config import make_folding
from hw_build.folding.legal import check_folding, foldings
from hw_build.folding.optimise import Budget, at_rate, plan_for
from hw_build.folding.options import read_network
from hw_build.kernels.fabric import SERIES_7, ULTRASCALE_PLUS
from tests.rtl.test_conv import conv_model
from tests.rtl.test_depthwise import depthwise_model

PYNQ, ZCU104 = load_board("pynq-z2").part, load_board("zcu104").part
LINE = {"PE": 1, "SIMD": 3}  # a memory of 128 x 64 words of 3 rows of 4 bits
STYLES = ("auto", "ultra")
CYCLES = 3 * 128 * 64 * 3


@pytest.fixture(scope="module")
def model():
    return depthwise_model(dim=(3, 128), channels=64, kernel=3)


def both(model):
    """The folding LINE with rows in block RAM, and in UltraRAM."""
    found = read_network(model, ZCU104)
    (node,) = found.nodes
    options = [option for option in node.options if option.folding in (LINE | {"ram_style": s} for s in STYLES)]
    return replace(found, nodes=(replace(node, options=tuple(options)),))


def test_only_ultrascale_has_it_and_only_where_it_saves_blocks(model):
    (node,) = model.graph.node
    series7, ultra = list(foldings(node)), list(foldings(node, ULTRASCALE_PLUS))
    assert series7 == list(foldings(node, SERIES_7)) == [f for f in ultra if f["ram_style"] != "ultra"]
    options = {tuple(o.folding.items()): o for o in read_network(model, ZCU104).nodes[0].options}
    there = [option for option in options.values() if option.folding["ram_style"] == "ultra"]
    for option in there:
        in_blocks = options[tuple({**option.folding, "ram_style": "auto"}.items())]
        assert in_blocks.uram == 0 and in_blocks.bram18 - option.bram18 >= 2 * option.uram > 0
        assert option.cycles == in_blocks.cycles
    assert there
    assert not any(option.uram for option in read_network(model, PYNQ).nodes[0].options)


@pytest.mark.parametrize(
    ("made", "fabric", "sentence"),
    [
        (depthwise_model(dim=(3, 128), channels=64, kernel=3), SERIES_7, "ram_style=ultra is not auto or distributed"),
        (
            depthwise_model(dim=(3, 16), channels=8, kernel=3), ULTRASCALE_PLUS,
            "ram_style=ultra would save 0 RAMB18 with 1 UltraRAMs, fewer than 2 each: choose another PE or SIMD, or",
        ),
        (conv_model((8, 8, 8), 8, 1), ULTRASCALE_PLUS, "ram_style=ultra is not auto"),  # has no rows
    ],
)  # fmt: skip
def test_where_it_is_not_legal(made, fabric, sentence):
    (node,) = made.graph.node
    with pytest.raises(ConfigError, match=sentence):
        check_folding(node, {"ram_style": "ultra"}, fabric)


def test_the_optimiser_takes_it_where_block_ram_is_short(model):
    network = both(model)
    in_blocks, in_ultra = network.nodes[0].options
    assert (in_blocks.bram18, in_ultra.bram18) == (6 + in_ultra.bram18, in_ultra.bram18)  # 8192 x 12 in 6 of 4096 x 4
    enough = -(-in_blocks.bram18 // 2)
    assert plan_for(network, CYCLES, Budget(bram36=enough, uram=1)).choice.options == (in_blocks,)
    plan = plan_for(network, CYCLES, Budget(bram36=enough - 1, uram=1))
    assert (plan.choice.options, plan.uram, plan.bram18) == ((in_ultra,), 1, in_ultra.bram18)
    with pytest.raises(ConfigError, match=f"fits {enough - 1} BRAM36; the smallest without limits"):
        at_rate(network, CYCLES, Budget(bram36=enough - 1))


def test_a_folding_that_asks_for_more_than_there_is_is_one_sentence(model):
    name, style = model.graph.node[0].name, LINE | {"ram_style": "ultra"}
    network = read_network(model, ZCU104, {name: style})
    assert at_rate(network, CYCLES, Budget(uram=1)).uram == 1
    with pytest.raises(ConfigError, match="fits 129 BRAM36; the smallest without limits takes .* beside 1 UltraRAMs"):
        at_rate(network, CYCLES, Budget(bram36=129))


@pytest.mark.parametrize("asked", [{"frames_per_second": 10.0}, {"cycles_per_frame": CYCLES}, {"max_bram36": 100}])
def test_a_folding_file_asks_a_board_without_it_in_vain(model, asked):
    board, name = load_board("zcu104"), model.graph.node[0].name
    config = make_folding(**asked, nodes={name: LINE | {"ram_style": "ultra"}})
    folded = fold_as_asked(depthwise_model(dim=(3, 128), channels=64, kernel=3), config, (3, 128), board)
    assert getCustomOp(folded.graph.node[0]).uram_estimation(board.part) == 1
    without = replace(board, resources=replace(board.resources, uram=0))
    with pytest.raises(ConfigError, match="ram_style=ultra for 1 UltraRAMs, and zcu104 has 0: take ram_style=auto"):
        fold_as_asked(depthwise_model(dim=(3, 128), channels=64, kernel=3), config, (3, 128), without)


def test_a_board_without_it_does_not_hold_such_a_folding(model):
    small, large, none = (
        replace(board, name=name, resources=replace(board.resources, luts=luts, memory_luts=1, bram36=2, uram=uram))
        for name, board, luts, uram in (
            ("small", load_board("pynq-z2"), 800, 0), ("large", load_board("zcu104"), 801, 2),
            ("none", load_board("zcu104"), 802, 0),
        )
    )  # fmt: skip
    figures = at_rate_on(model.model.SerializeToString(), (3, 128), 1e8 / CYCLES, [small, large, none])
    assert (figures.boards, figures.uram) == (("large",), 1)
