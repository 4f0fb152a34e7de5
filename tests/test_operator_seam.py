"""An operator is one place: `hw_build` and `quant` name none of them, and no kernel, outside their own files.

An operator's own files are those of `hw_build/operators`, a kernel's its folder of `hw_build/kernels`. Adding one adds
files, and edits a line of each of the two registries.
"""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from hw_build.kernels import KERNELS, custom_op
from hw_build.operators import OPERATORS, operators
from hw_build.operators.operator import CodeFunction, Operator
from quant import operators as trained
from quant.operators.operator import Operator as Trained

ROOT = Path(__file__).resolve().parents[1]
OWN = ("hw_build/operators/", "hw_build/kernels/")
TEXTS = (".py", ".sv", ".vlt", ".toml", ".cpp", ".hpp", ".h", ".tcl", ".html", ".css")

# ONNX types that steps may name, each with its reason
ARITHMETIC = {"Add", "Mul", "MultiThreshold"}  # how the steps themselves write scales, biases and thresholds
OTHER_FORMS = {
    "Reshape",
    "Clip",
    "Expand",
    "Flatten",
    "Identity",
    "IntQuant",
    "Pad",
    "Quant",
    "Squeeze",
    "Transpose",
    "Trunc",
}  # what intake takes out of a graph or puts in
MAY_NAME = {
    "hw_build/lowering/convert.py": ARITHMETIC,
    "hw_build/lowering/exact_sums.py": ARITHMETIC | {"Div", "Reshape"},
    "hw_build/lowering/streamline.py": ARITHMETIC,
    "hw_build/lowering/thresholds.py": ARITHMETIC,
    "hw_build/lowering/ties.py": ARITHMETIC,
    "hw_build/lowering/intake/channels_last.py": OTHER_FORMS,
    "hw_build/lowering/intake/decision.py": OTHER_FORMS,
    "hw_build/lowering/intake/nothing.py": OTHER_FORMS,
    "hw_build/lowering/intake/opset.py": OTHER_FORMS,
    "hw_build/lowering/intake/pads.py": OTHER_FORMS,
    "hw_build/lowering/intake/pixels.py": OTHER_FORMS,
    "hw_build/lowering/intake/qcdq.py": OTHER_FORMS,
    "hw_build/lowering/intake/shapes.py": OTHER_FORMS,
    "hw_build/lowering/intake/weights.py": OTHER_FORMS,
    "hw_build/finn_rtl/sliding_window.py": {"depthwise"},  # an attribute of FINN's node
    "hw_build/backends/stock_finn.py": {"depthwise"},
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


def test_what_is_told_to_lower_is_documented():
    """Each file of an operator that a sentence offers has rows of docs/reference/operators.md."""
    for name in OPERATORS:
        module = import_module(name)
        rows = getattr(module, "ROWS", ())
        assert rows or not any(operator.told for operator in module.OPERATORS), f"{name} has no ROWS"
        assert all(len(row) == 3 and row[0] and row[2] for row in rows), f"{name}: operator, limits, becomes"


def test_what_is_told_to_lower_has_a_form_to_go_on_with():
    for operator in operators():
        kind = type(operator)
        as_codes = kind.to_thresholds is not Operator.to_thresholds
        rewritten = kind.rewrite is not Operator.rewrite  # by nodes of others
        left_out = kind.chooses_largest is not Operator.chooses_largest  # the output stage does it
        goes_on = (
            isinstance(operator, CodeFunction) or kind.to_channels_last is not Operator.to_channels_last or rewritten
        )
        assert goes_on or as_codes or left_out or not operator.told, f"{kind.__name__} has no channels-last form"


# what `quant` may name of its operators, each with its reason
TRAINED_MAY_NAME = {
    "quant/integer/ort_graph.py": {
        "Add",
        "Conv",
        "Concat",
        "Mul",
        "Pad",
        "Sum",
    },  # nodes of several
    "quant/layers/pointwise.py": {"Conv2d"},  # which of torch's kernels trains it
    "quant/twin/activations.py": {"Sigmoid", "Softplus"},  # the list of those that are never negative
    # an identity, of images or volumes; what logits are not
    "quant/twin/normal_form.py": {"Conv2d", "Conv3d", "LogSigmoid", "Sigmoid", "Tanh"},
}


def names_in_quant() -> set[str]:
    """Modules, ONNX types, and steps of the operators of `quant`; steps of all filters are no operator's own."""
    found: set[str] = set()
    for operator in trained.operators():
        steps = {step.__name__ for step in operator.steps if step.__module__ != "quant.integer.program"}
        found |= {*operator.names, *steps, *(kind.__name__ for kind in (*operator.kinds, *operator.written))}
    return found


def named_in_quant(source: str) -> set[str]:
    """Those that are constants, names, attributes or imports."""
    nodes = list(ast.walk(ast.parse(source)))
    words = {node.id for node in nodes if isinstance(node, ast.Name)}
    words |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    words |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return (words - STEPS_OF_ALL | constants(source)) & names_in_quant()


STEPS_OF_ALL = {"Conv"}  # the class of the steps of all filters, which is named as an ONNX type is


def test_quant_names_an_operator_in_its_own_file_alone():
    places = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "quant").rglob("*.py")}
    others = {
        name: text for name, text in places.items() if not name.startswith(("quant/operators/", "quant/volumes/"))
    }
    found = {name: more for name, text in others.items() if (more := named_in_quant(text))}
    assert found == TRAINED_MAY_NAME, "ask the operator instead"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("isinstance(module, nn.MaxPool2d)", {"MaxPool2d"}),
        ("from models.layers import Sum", {"Sum"}),
        ('handlers = {"Resize": None}', {"Resize"}),
        ('"""A MaxPool2d."""\nx = Conv', set()),
    ],
)
def test_a_name_is_seen_in_quant(source, expected):
    assert named_in_quant(source) == expected


def test_every_operator_of_quant_is_in_its_registry_and_whole():
    registered = {name.rpartition(".")[2] for name in trained.OPERATORS}
    folder = ROOT / "quant" / "operators"
    files = {path.stem for path in folder.glob("*.py") if "\nOPERATORS = (" in path.read_text()}
    assert files - {"__init__"} == registered
    for operator in trained.operators():
        kind = type(operator)
        forms = (operator.kinds, operator.names, operator.steps)
        assert operator.told and (all(forms) or not any(forms)), kind.__name__
        if not any(forms):
            assert operator.functions() or operator.written, f"{kind.__name__} is written as nothing"
            continue
        assert operator.of_volumes == (kind.build is Trained.build), f"{kind.__name__}: onnxruntime has images alone"
        own = (kind.parse, kind.run, *(() if operator.of_volumes else (kind.build,)))
        assert not {*own} & {Trained.parse, Trained.run, Trained.build}, f"{kind.__name__} has no integer form"
        assert operator.is_filters + operator.accumulates + operator.hands_on == 1
