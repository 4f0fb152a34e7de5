"""The integer program against every combination, and the converter's model against synthesis."""

import itertools

import numpy as np
import pytest

from hw_build.folding.optimum import converter_luts, fewest_luts, fewest_luts_bound, pareto, stream_luts
from hw_build.folding.options import Edge, FoldableNode, Network, Option
from hw_build.implement.synth.cells import utilization
from hw_build.implement.synth.yosys import synthesise
from hw_build.kernels.rows import pointwise_rows
from hw_build.kernels.stream_kernel import RTL_DIR


def random_network(seed: int, nodes: int = 5, options: int = 4) -> Network:
    """A chain with a skip around its middle; random costs, beats of 1, 2, 3 or 4 elements."""
    rng = np.random.default_rng(seed)

    def option(outputs: int, inputs: int) -> Option:
        return Option(
            folding={}, cycles=int(rng.integers(1, 9)), luts=int(rng.integers(1, 90)), dsps=int(rng.integers(0, 5)),
            bram18=int(rng.integers(0, 3)), uram=int(rng.integers(0, 3)),
            in_elements=(int(rng.integers(1, 5)),) * inputs, out_elements=(int(rng.integers(1, 5)),) * outputs,
        )  # fmt: skip

    shape = (4, 4, 12)
    made = [
        FoldableNode(
            name=f"n{i}", op_type="any", in_shape=shape, out_shape=shape, rows=pointwise_rows(4),
            options=tuple(option(2 if i == 1 else 1, 2 if i == nodes - 1 else 1) for _ in range(options)),
        )
        for i in range(nodes)
    ]  # fmt: skip
    edges = [Edge(tensor=f"t{i}", source=i, out=0, target=i + 1, into=0, element_bits=4) for i in range(nodes - 1)]
    edges.append(Edge(tensor="skip", source=1, out=1, target=nodes - 1, into=1, element_bits=4))
    return Network(nodes=tuple(made), edges=tuple(edges))


def best_by_trying_all(network: Network, limit: int, bram18: int, dsps: int, uram: int) -> int | None:
    best = None
    for options in itertools.product(*(node.options for node in network.nodes)):
        if max(o.cycles for o in options) > limit or sum(o.dsps for o in options) > dsps:
            continue
        if sum(o.bram18 for o in options) > bram18 or sum(o.uram for o in options) > uram:
            continue
        luts = sum(o.luts for o in options) + sum(
            stream_luts(e.element_bits, options[e.source].out_elements[e.out], options[e.target].in_elements[e.into])
            for e in network.edges
        )
        best = luts if best is None else min(best, luts)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_optimum_is_that_of_every_combination(seed):
    network = random_network(seed)
    solutions = 0
    for limit, bram18, dsps, uram in ((8, 99, 99, 99), (6, 99, 6, 99), (7, 3, 8, 99), (3, 9, 9, 9), (8, 6, 99, 2)):
        most = {"bram18": bram18, "dsps": dsps, "uram": uram}
        choice = fewest_luts(network, [limit] * len(network.nodes), **most)
        expected = best_by_trying_all(network, limit, **most)
        assert (None if choice is None else choice.luts) == expected, f"seed {seed}"
        bound = fewest_luts_bound(network, [limit] * len(network.nodes), **most)
        assert bound <= (np.inf if expected is None else expected), f"seed {seed}"
        if choice is not None:
            solutions += 1
            assert max(option.cycles for option in choice.options) <= limit
            assert choice.dsps == sum(option.dsps for option in choice.options) <= dsps
            assert choice.bram18 <= bram18 and choice.uram <= uram
    assert solutions


def test_pareto_keeps_what_can_be_best():
    def option(luts, dsps, elements=1, bram18=4, uram=0):
        return Option(
            folding={}, cycles=1, luts=luts, dsps=dsps, bram18=bram18, uram=uram, in_elements=(elements,),
            out_elements=(1,),
        )  # fmt: skip

    few_luts, few_dsps, beaten, other_beats = option(5, 3), option(9, 0), option(9, 3), option(20, 4, elements=2)
    in_ultra, beaten_in_ultra = option(9, 0, bram18=0, uram=1), option(9, 0, uram=1)
    kept = [few_luts, in_ultra, few_dsps, other_beats]
    assert pareto([beaten, few_dsps, beaten_in_ultra, in_ultra, other_beats, few_luts]) == kept


@pytest.mark.parametrize(("written", "read"), [(8, 2), (1, 4)])
def test_converter_model_is_near_synthesis(written, read):
    sizes = {"ELEMENT_BITS": "4", "IN_ELEMENTS": str(written), "OUT_ELEMENTS": str(read)}
    used = utilization(synthesise("stream_width", [RTL_DIR / "stream" / "stream_width.sv"], sizes))
    assert converter_luts(4, written, read) == pytest.approx(used.luts, rel=0.15)


def test_converters_between_beats_that_do_not_divide():
    assert converter_luts(4, 3, 3) == 0
    assert converter_luts(4, 3, 2) == converter_luts(4, 3, 6) + converter_luts(4, 6, 2)
