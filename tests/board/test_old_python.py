"""The driver keeps to what fielded PYNQ images have: the syntax and library of Python 3.10, and numpy 1.21 to 2."""

import ast
from pathlib import Path

import pytest

import board

FILES = sorted(Path(board.__file__).parent.rglob("*.py"))
# of numpy's top level, looked up in 1.21.6 and in 2.4; a name that is not here is looked up there first
IN_OLD_AND_NEW_NUMPY = {
    *("add", "arange", "argwhere", "array", "asarray", "ascontiguousarray", "average", "bool_", "concatenate"),
    *(
        "copyto",
        "count_nonzero",
        "frombuffer",
        "hypot",
        "int32",
        "int64",
        "isfinite",
        "load",
        "maximum",
        "mean",
        "median",
        "minimum",
    ),
    *(
        "lib",
        "ndarray",
        "packbits",
        "pad",
        "percentile",
        "prod",
        "random",
        "repeat",
        "sqrt",
        "stack",
        "uint16",
        "uint32",
    ),
    *("uint8", "unique"),
    *("unpackbits", "where", "zeros"),
}
NEWER_THAN_3_10 = {
    *("tomllib", "ExceptionGroup", "add_note", "asyncio.Runner", "asyncio.TaskGroup", "asyncio.timeout"),
    *("contextlib.chdir", "datetime.UTC", "enum.StrEnum", "hashlib.file_digest", "itertools.batched", "typing.Self"),
    *("math.cbrt", "math.exp2", "operator.call", "typing.assert_never", "typing.override", "pathlib.Path.walk"),
}


def names(tree):
    """What a file imports, and its attributes as ``owner.name`` and ``name``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
            if isinstance(node.value, ast.Name):
                found.add(f"{node.value.id}.{node.attr}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_syntax_library_and_numpy_are_old_enough(path):
    found = names(ast.parse(path.read_text(), feature_version=(3, 10)))
    assert not found & NEWER_THAN_3_10
    assert {name[3:] for name in found if name.startswith("np.")} <= IN_OLD_AND_NEW_NUMPY


@pytest.mark.parametrize(
    "source",
    ["import tomllib", "from enum import StrEnum", "import contextlib\ncontextlib.chdir('/')", "e.add_note('')"],
)
def test_newer_names_are_seen(source):
    assert names(ast.parse(source)) & NEWER_THAN_3_10
    with pytest.raises(SyntaxError):
        ast.parse("try:\n  pass\nexcept* ValueError:\n  pass\n", feature_version=(3, 10))
