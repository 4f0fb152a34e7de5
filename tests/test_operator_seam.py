"""An operator is one place: `hw_build` names none of them, and no kernel, outside their own files.

An operator's own files are those of `hw_build/operators`, a kernel's its folder of `hw_build/kernels`. Adding one adds
files, and edits a line of each of the two registries.
"""

import ast
import re
from pathlib import Path

import pytest

from hw_build.kernels import KERNELS, custom_op
from hw_build.operators import OPERATORS, operators
from hw_build.operators.operator import CodeFunction, Operator

ROOT = Path(__file__).resolve().parents[1]
OWN = ("hw_build/operators/", "hw_build/kernels/")
TEXTS = (".py", ".sv", ".vlt", ".toml", ".cpp", ".hpp", ".h", ".tcl", ".html", ".css")

# ONNX types that steps may name, each with its reason
ARITHMETIC = {"Add", "Mul", "MultiThreshold"}  # how the steps themselves write scales, biases and thresholds
OTHER_FORMS = {
    "Clip",
    "Expand",
    "Identity",
    "IntQuant",
    "Pad",
    "Quant",
    "Transpose",
}  # what intake takes out of a graph or puts in
MAY_NAME = {
    "hw_build/lowering/convert.py": ARITHMETIC,
    "hw_build/lowering/streamline.py": ARITHMETIC,
    "hw_build/lowering/thresholds.py": ARITHMETIC,
    "hw_build/lowering/intake/channels_last.py": OTHER_FORMS,
    "hw_build/lowering/intake/nothing.py": OTHER_FORMS,
    "hw_build/lowering/intake/opset.py": OTHER_FORMS,
    "hw_build/lowering/intake/pads.py": OTHER_FORMS,
    "hw_build/lowering/intake/qcdq.py": OTHER_FORMS,
    "hw_build/lowering/intake/shapes.py": OTHER_FORMS,
    "hw_build/lowering/intake/weights.py": OTHER_FORMS,
    "hw_build/finn_rtl/sliding_window.py": {"depthwise"},  # an attribute of FINN's node
    "hw_build/backends/stock_finn.py": {"depthwise"},
    "hw_build/backends/hls/cpp/bilinear2x.hpp": {
        "bilinear2x"
    },  # the library of the HLS program: every file of it is a module
}


def elsewhere() -> dict[str, Path]:
    """Texts of `hw_build` that are no operator's and no kernel's own."""
    found = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "hw_build").rglob("*"))}
    return {name: path for name, path in found.items() if path.suffix in TEXTS and not name.startswith(OWN)}


def constants(source: str) -> set[str]:
    """Texts that stand as constants in Python."""
    values = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return {value for value in values if isinstance(value, str)}


def named(source: str, suffix: str, types: set[str], kernels: set[str], modules: set[str]) -> set[str]:
    """Kernels and their Python wherever they stand; ONNX types and RTL modules that are constants."""
    python = suffix == ".py"
    texts = constants(source) if python else set(re.findall(r"\w+", source))
    found = texts & (modules | {f"{module}.sv" for module in modules} | (types if python else set()))
    for word in set(re.findall(r"[\w.]+", source)):
        is_module = any(word == own or word.startswith(f"{own}.") for own in (*KERNELS, *OPERATORS))
        if is_module or re.sub(r"_\d+$", "", word) in kernels:  # StreamFork_rtl_3 is a node
            found.add(word)
    return found


def _all() -> tuple[set[str], set[str], set[str]]:
    types = {name for operator in operators() for name in (*operator.names, *operator.inner)}
    modules = {path.stem for path in (ROOT / "hw_build" / "kernels").rglob("*.sv")}
    return types, set(custom_op), modules


@pytest.fixture(scope="module")
def names():
    return _all()


def test_nothing_else_names_an_operator_or_a_kernel(names):
    found = {
        name: more
        for name, path in elsewhere().items()
        if (more := named(path.read_text(encoding="utf-8"), path.suffix, *names) - MAY_NAME.get(name, set()))
    }
    assert not found, f"ask the operator or the kernel instead: {found}"


@pytest.mark.parametrize(
    ("source", "suffix", "expected"),
    [
        ('if node.op_type == "MaxPool":\n    pass\n', ".py", {"MaxPool"}),
        ("from hw_build.kernels.maxpool.kernel import f\n", ".py", {"hw_build.kernels.maxpool.kernel"}),
        ('"""As MaxPool2x2_rtl_3 does."""\n', ".py", {"MaxPool2x2_rtl_3"}),
        ('FILES = ["maxpool2x2.sv"]\n', ".py", {"maxpool2x2.sv"}),
        ("maxpool2x2 #(.PE(1)) pool ();", ".sv", {"maxpool2x2"}),
        ('"""A max-pool, as MaxPool is."""\nfrom hw_build.kernels.rows import Rows\n', ".py", set()),
    ],
)
def test_a_name_is_seen_where_it_stands(names, source, suffix, expected):
    assert named(source, suffix, *names) == expected


def test_what_may_name_some_does():
    places = elsewhere()
    assert set(MAY_NAME) <= set(places)
    assert all(named(places[name].read_text(), places[name].suffix, *_all()) & more for name, more in MAY_NAME.items())


def test_every_file_of_an_operator_is_in_the_registry():
    registered = {name.rpartition(".")[2] for name in OPERATORS}
    files = {
        path.stem for path in (ROOT / "hw_build" / "operators").glob("*.py") if "\nOPERATORS = (" in path.read_text()
    }
    assert files - {"__init__"} == registered
    folders = {path.parent.name for path in (ROOT / "hw_build" / "kernels").glob("*/__init__.py")}
    assert folders == {name.rpartition(".")[2] for name in KERNELS}


def test_what_is_told_to_lower_has_a_form_to_go_on_with():
    for operator in operators():
        kind = type(operator)
        rewritten = kind.rewrite is not Operator.rewrite  # by nodes of others
        goes_on = (
            isinstance(operator, CodeFunction) or kind.to_channels_last is not Operator.to_channels_last or rewritten
        )
        assert goes_on or not operator.told, f"{kind.__name__} has no channels-last form"
