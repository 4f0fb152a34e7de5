"""Folds a graph as a configuration asks, and says what limits it."""

from __future__ import annotations

from dataclasses import asdict
from math import inf
from typing import TYPE_CHECKING

from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.folding.account import account
from hw_build.folding.board_share import budget_of
from hw_build.folding.cheapest import check_names, fold
from hw_build.folding.legal import apply_folding
from hw_build.folding.optimise import Budget, Plan, at_rate, best_rate, next_step
from hw_build.folding.options import Network, output_cycles, read_network, refuse_slower_output
from hw_build.graph.editor import GraphEditor
from hw_build.kernels.fabric import fabric_of

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.base.board_config import Board
    from hw_build.folding.config import FoldingConfig

ACCOUNT = "edgeseg_folding"  # metadata of a graph that the optimiser folded


def fold_as_asked(model: ModelWrapper, config: FoldingConfig, size: tuple[int, int], board: Board) -> ModelWrapper:
    """Folds a specialized ``model`` for images of ``size`` (H, W) in place and returns it.

    Where the optimiser chose, metadata ACCOUNT says what it expects: cycles, resources, bottlenecks, the next step.

    Raises:
        ConfigError: the target or the limits cannot be met, or a fixed folding is not legal or more than ``board`` has.
    """
    if not config.optimised:
        target, output = config.target_cycles(size), output_cycles(model)
        assert target is not None, "what no optimiser chooses has a target"
        if config.cycles_per_pixel is not None:
            target = max(target, output)  # cycles a pixel are no fewer than its logits
        folded = fold(model, target, config.nodes, fabric_of(board.part))
        _refuse_ultra(sum(getCustomOp(node).uram_estimation(board.part) for node in folded.graph.node), board)
        refuse_slower_output(output, target)
        return folded
    check_names(model, config.nodes)
    network = read_network(model, board.part, config.nodes)
    _refuse_ultra(sum(min(option.uram for option in node.options) for node in network.nodes), board)
    budget = budget_for(config, board)
    plan = make_plan(network, config, size, budget)
    for node, option in zip(model.graph.node, plan.choice.options, strict=True):
        operation = getCustomOp(node)
        apply_folding(operation, option.folding)
        operation.set_nodeattr("cycles_estimate", option.cycles)
    GraphEditor(model).set_metadata(**{ACCOUNT: asdict(account(plan, next_step(network, plan, budget)))})
    return model


def _refuse_ultra(asked: int, board: Board) -> None:
    """ConfigError where fixed foldings take more UltraRAMs than ``board`` has; no folding that is chosen does."""
    has = board.resources.uram
    if asked > has:
        raise ConfigError(
            f"the folding has ram_style=ultra for {asked} UltraRAMs, and {board.name} has {has}: take ram_style=auto "
            "for some of them"
        )


def budget_for(config: FoldingConfig, board: Board) -> Budget:
    """The limits of ``config``; what it does not limit, the board's share does."""
    share = budget_of(board)
    return Budget(
        luts=config.max_luts or share.luts,
        dsps=config.max_dsps or share.dsps,
        bram36=config.max_bram36 or share.bram36,
        uram=share.uram,
        latency_frames=config.max_latency_frames or inf,
    )


def make_plan(network: Network, config: FoldingConfig, size: tuple[int, int], budget: Budget) -> Plan:
    """The optimum for ``config`` within ``budget``."""
    target = config.target_cycles(size)
    return best_rate(network, budget) if target is None else at_rate(network, target, budget)
