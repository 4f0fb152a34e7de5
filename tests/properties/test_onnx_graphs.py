"""Random ONNX files at the front door: `check` says "lowers" if and only if the build stitches it, and never fails."""

import copy
from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from hw_build.base.errors import EdgesegError
from hw_build.flow.check import check, lowers
from hw_build.lowering import execute_codes, lowering_steps
from hw_build.lowering.intake import load_network
from hw_build.stitch import stitch
from tests.properties.examples import examples
from tests.properties.onnx_graphs import graphs


@pytest.fixture
def verdicts(tmp_path):
    """Judges a model by `check` and by the steps of a build; counts the verdicts."""
    counts = Counter()

    def judge(model):
        path = tmp_path / "any.onnx"
        path.write_bytes(model.SerializeToString())
        said, ends_well = _says_that_it_lowers(path), _is_stitched(path, tmp_path / "rtl")
        assert said == ends_well
        counts[said] += 1

    judge.counts = counts
    return judge


def _says_that_it_lowers(path):
    try:
        return lowers(check(path))
    except EdgesegError:
        return False


def _is_stitched(path, folder):
    """Whether the steps of a build end well; then, that the last graph computes what the file says."""
    try:
        model = load_network(path)
        lowered = copy.deepcopy(model)
        for step in lowering_steps():
            lowered = step.run(lowered)
        stitch(lowered, folder)
    except EdgesegError:
        return False
    image = tuple(model.get_tensor_shape(model.graph.input[0].name))
    codes = np.random.default_rng(1).integers(0, 256, (1, *image[2:], image[1]), dtype=np.uint8)
    np.testing.assert_array_equal(execute_codes(lowered, codes), execute_codes(model, codes))
    return True


@examples(default=60, slow=2500)
@given(model=graphs())
def judged(model, verdicts):
    verdicts(model)


def test_check_and_build_agree_on_any_graph(verdicts):
    judged(verdicts=verdicts)
    assert min(verdicts.counts[True], verdicts.counts[False]) > 0.1 * verdicts.counts.total(), verdicts.counts
