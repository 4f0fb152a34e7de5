"""The folding of a whole lowered network: rate, budget, what limits it, and the sentences where nothing fits."""

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.board_config import load_board
from hw_build.base.errors import ConfigError
from hw_build.folding import optimise
from hw_build.folding.account import Account, NextStep, tell_account
from hw_build.folding.apply import ACCOUNT, fold_as_asked
from hw_build.folding.config import FoldingConfig
from hw_build.folding.lag import fork_memory, latency
from hw_build.folding.optimise import Budget, _bounded, _solved, at_rate, best_rate, next_step, plan_for
from hw_build.folding.options import read_network
from hw_build.folding.policies import for_latency, for_memory, limits_of_nodes
from hw_build.graph.editor import GraphEditor
from hw_build.lowering import STEPS, execute_codes, set_input_size
from tests.hw_build import synthetic

SIZE, WIDE = (16, 32), (64, 512)


@pytest.fixture(scope="module")
def lowered():
    model = synthetic.unet(*SIZE, levels=1, dims=(4, 6))
    for step in STEPS:
        model = step.run(model)
    return model


@pytest.fixture(scope="module")
def board():
    return load_board("pynq-z2")


@pytest.fixture(scope="module")
def network(lowered, board):
    return read_network(copy.deepcopy(lowered), board.part)


@pytest.fixture(scope="module")
def wide(lowered, board):
    """The same network on images whose rows fill block RAMs."""
    return read_network(set_input_size(copy.deepcopy(lowered), *WIDE), board.part)


def test_models_of_an_option_are_those_of_the_kernel(lowered, network):
    for node, foldable in zip(copy.deepcopy(lowered).graph.node, network.nodes, strict=True):
        operation = getCustomOp(node)
        option = foldable.options[-1]
        for key, value in option.folding.items():
            operation.set_nodeattr(key, value)
        assert option.cycles == operation.get_exp_cycles()
        assert option.luts == operation.lut_estimation("xc7z020clg400-1")
        assert option.dsps == operation.dsp_estimation("xc7z020clg400-1")
        assert option.out_elements[0] * operation.get_output_datatype(0).bitwidth() == operation.get_outstream_width(0)


def test_folded_graph_keeps_its_values_and_meets_the_rate(lowered, board):
    config = FoldingConfig(frames_per_second=10_000, nodes={"DepthwiseConv_rtl_0": {"PE": 4}})
    folded = fold_as_asked(copy.deepcopy(lowered), config, SIZE, board)
    operations = [getCustomOp(node) for node in folded.graph.node]
    slowest = max(operation.get_exp_cycles() for operation in operations)
    figures = GraphEditor(folded).metadata(ACCOUNT)
    assert slowest == figures["cycles_per_frame"] <= 100e6 / 10_000
    assert figures["dsps"] == sum(operation.dsp_estimation(board.part) for operation in operations) <= 220
    assert getCustomOp(next(n for n in folded.graph.node if n.name == "DepthwiseConv_rtl_0")).get_nodeattr("PE") == 4
    codes = np.random.default_rng(3).integers(0, 256, (1, *SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(execute_codes(folded, codes), execute_codes(lowered, codes))


def test_tighter_rates_cost_more(network):
    luts = [plan_for(network, cycles, Budget()).luts for cycles in (36 * 512, 18 * 512, 9 * 512)]
    assert luts == sorted(luts) and luts[0] < luts[-1]


def test_fewer_block_rams_are_respected(wide):
    """Each plan is the best of its policies, so less memory never takes fewer LUTs."""
    target = 18 * WIDE[0] * WIDE[1]
    plan = plan_for(wide, target, Budget())
    for bram36 in (-(-plan.bram18 // 2) - 1, plan.bram18 // 4):
        tight = plan_for(wide, target, Budget(bram36=bram36))
        assert tight.bram18 <= 2 * bram36 < plan.bram18 and tight.luts > plan.luts
        assert tight.bram18 >= tight.fork_bram18 > 0 and tight.cycles_per_frame <= target
        plan = tight
    assert plan_for(wide, target, Budget(bram36=0)) is None


def test_levels_are_those_of_the_network_and_no_lower_one_is_slower(network):
    free = plan_for(network, 9_000, Budget())
    assert len(free.policy.levels) == 1  # the network has one level below the first
    assert all(earlier >= later for earlier, later in itertools.pairwise((1.0, *free.policy.levels)))


def test_block_rams_are_kept_to_where_forks_hold_more_than_at_the_asked_rate(wide, monkeypatch):
    """No folding takes exactly the asked rate: the plan is a little faster, and what forks hold is not the same."""
    target = 18 * WIDE[0] * WIDE[1] + 1
    free = plan_for(wide, target, Budget())
    assert free.cycles_per_frame < target

    def more_when_faster(network, cycles, frame_cycles, uram):
        held = fork_memory(network, cycles, frame_cycles, uram)
        return held._replace(bram18=held.bram18 + 2 * (frame_cycles < target))

    monkeypatch.setattr(optimise, "fork_memory", more_when_faster)
    enough = -(-free.bram18 // 2) + 1
    assert plan_for(wide, target, Budget(bram36=enough)).bram18 == free.bram18 + 2
    tight = plan_for(wide, target, Budget(bram36=enough - 1))
    assert tight.bram18 <= 2 * (enough - 1) and tight.luts > free.luts
    assert tight.fork_bram18 == free.fork_bram18 + 2  # the rate is what it was: nodes gave the memory up


def test_fewer_dsps_are_respected(network):
    plan = plan_for(network, 6_000, Budget())
    for dsps in (plan.dsps - 5, plan.dsps // 2, 0):
        tight = plan_for(network, 6_000, Budget(dsps=dsps))
        assert tight.dsps <= dsps and tight.luts > plan.luts and tight.cycles_per_frame <= 6_000
        plan = tight


def test_best_rate_is_the_best(network):
    budget = Budget(luts=plan_for(network, 9_000, Budget()).luts, dsps=60)
    best = best_rate(network, budget)
    assert best.luts <= budget.luts and best.dsps <= 60
    faster = {o.cycles for node in network.nodes for o in node.options if o.cycles < best.cycles_per_frame}
    assert plan_for(network, max(faster), budget) is None


def test_bounds_leave_out_no_better_policy(network):
    """The search stops at the first policy that its bound shows to be no better: the same as solving them all."""
    for target, budget in ((9_000, Budget()), (6_000, Budget(dsps=60)), (9_000, Budget(bram36=3))):
        found = plan_for(network, target, budget)
        every = [_solved(network, budget, task) for task in _tasks(network, target, budget)]
        assert (found.luts, found.bram18) == min((plan.luts, plan.bram18) for plan in every if plan is not None)


def _tasks(network, target, budget):
    return [task for policy in for_memory(network) if (task := _bounded(network, target, budget, policy)) is not None]


def test_limit_of_latency_is_kept_and_costs_luts(network):
    free = plan_for(network, 9_000, Budget())
    waited = free.latency_cycles / free.cycles_per_frame
    prompt = plan_for(network, 9_000, Budget(latency_frames=0.9 * waited))
    assert prompt.latency_cycles <= 0.9 * waited * prompt.cycles_per_frame
    assert prompt.cycles_per_frame <= 9_000 and prompt.luts > free.luts
    assert plan_for(network, 9_000, Budget(latency_frames=1e9)).luts == free.luts
    with pytest.raises(ConfigError, match=r"no folding of 9,000 cycles a frame fits a latency of 0.5 frame periods;"):
        at_rate(network, 9_000, Budget(latency_frames=0.5))


def test_policies_for_latency_meet_it_whatever_is_chosen(network):
    policies = for_latency(network, 9_000, 1.4)
    limits = [limits_of_nodes(network, 9_000, policy) for policy in policies]
    assert policies and all(latency(network, each, 9_000) <= 1.4 * 9_000 for each in limits)
    assert len({tuple(each) for each in limits}) == len(limits)
    assert limits[0][-1] <= max(policies[0].decoder * 9_000, 512)  # the head ends the decoder
    names = [node.name for node in network.nodes]
    skip = next(i for i, name in enumerate(names) if name.startswith("StreamFork"))
    fused = next(i for i, name in enumerate(names) if name.startswith("StreamAddThreshold"))
    assert all(each[skip] <= each[fused] for each in limits)


def test_next_step_is_faster_and_says_what_it_costs(network):
    plan = plan_for(network, 9_000, Budget())
    following, within = next_step(network, plan, Budget())
    rates = {option.cycles for node in network.nodes for option in node.options}
    next_rate = max(rate for rate in rates if rate < plan.cycles_per_frame)
    assert within and following.cycles_per_frame < plan.cycles_per_frame
    assert following.cycles_per_frame == plan_for(network, next_rate, Budget()).cycles_per_frame, "none is left out"
    assert all(
        max(o.cycles for o in plan.choice.options) == plan.choice.options[i].cycles
        for i, node in enumerate(network.nodes)
        if node.name in plan.bottlenecks
    )
    fastest = plan_for(network, max(min(o.cycles for o in node.options) for node in network.nodes), Budget())
    assert next_step(network, fastest, Budget()) is None
    small = Budget(luts=plan.luts, dsps=plan.dsps)
    beyond, within = next_step(network, plan_for(network, 9_000, small), small)
    assert not within and beyond.luts > small.luts and beyond.dsps <= small.dsps


def test_sentences():
    figures = Account(
        cycles_per_frame=1_572_864, luts=31_000, bram18=201, dsps=99, fork_bram18=180, shares=[0.25],
        decoder_share=1.0, latency_cycles=2_359_296, bottlenecks=["a", "b", "c", "d"],
    )  # fmt: skip
    assert tell_account(figures) == (
        "1,572,864 cycles a frame, by the models 31,000 LUTs, 99 DSPs, 101 BRAM36 (forks hold 90), latency 1.50 "
        "frame periods; slowest: a, b, c and 1 more; no node can go faster"
    )
    following = {"cycles_per_frame": 1_400_000, "more_luts": 120, "more_bram18": -2, "more_dsps": 3}
    sentence = "the next step, 1,400,000 cycles, would take +120 LUTs, +3 DSPs, -2 BRAM18"
    for within, end in ((True, sentence), (False, sentence + ", beyond the limits")):
        step = NextStep(**following, within_limits=within)
        assert tell_account(replace(figures, next_step=step)).endswith(end)


def test_what_does_not_fit(network):
    with pytest.raises(
        ConfigError, match=r"node \w+ takes [\d,]+ cycles a frame even fully unfolded \(.*target of 100:"
    ):
        at_rate(network, 100, Budget())
    with pytest.raises(ConfigError, match=r"no folding of 9,000 cycles a frame fits 10 LUTs, 2 DSPs; the smallest"):
        at_rate(network, 9_000, Budget(luts=10, dsps=2))
    with pytest.raises(ConfigError, match=r"no folding fits 10 LUTs, not even at [\d,]+ cycles a frame"):
        best_rate(network, Budget(luts=10))
