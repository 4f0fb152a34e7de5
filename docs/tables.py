"""Writes the documentation's tables that are made from files: ``python docs/tables.py``; ``--check`` writes nothing.

A table stands in its page between ``<!-- table: NAME -->`` and ``<!-- end -->``. ``python docs/tables.py --scale
build/scale/scale.json`` prints the table of docs/results/scaling.md from what ``python -m hw_build scale`` left. The
standard library is enough, so that the tables can be made, and checked, without the environment of the project.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
_USED = ("luts", "ffs", "bram18", "dsps")
_TABLE = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; vertical bars in cells are escaped."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def accuracy() -> str:
    """Scores of the shipped weights, as ``quant evaluate`` printed them, pooled-8 / per image."""
    weights = ROOT / "models" / "weights"

    def scores(quantization: str, data: str) -> str:
        record = json.loads((weights / f"cmunext-xxs-hw_{quantization}_{data}.json").read_text(encoding="utf-8"))
        return f"{record['iou_pooled8']:.3f} / {record['iou']:.3f}"

    names = {"float": "float", "w8a8": "w8a8", "w4a4": "w4a4 (the demo's on BUSI)"}
    rows = [(name, scores(key, "busi"), scores(key, "isic2016")) for key, name in names.items()]
    return table(("network", "BUSI", "ISIC 2016"), rows)


def crossval() -> str:
    """What ``quant crossval`` left of each recipe, in the order of ``rows``."""
    rows = {
        "float-from-isic-256": ("float-from-isic", "float, 20 epochs from the shipped weights of ISIC 2016"),
        "float-longer-256": ("float-longer", "30 epochs more from the first"),
        "float-longest-256": ("float-longest", "60 epochs more from the second"),
        "w4a4-from-isic-256": ("w4a4-from-isic", "w4a4, 10 epochs of QAT with the first as the teacher"),
        "w4a4-longer-256": ("w4a4-longer", "w4a4, 20 epochs of QAT with the second as the teacher"),
        "w4a4-longest-256": ("w4a4-longest", "w4a4, the same with the third as the teacher"),
    }
    folder = DOCS / "results" / "crossval"
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir()}
    cells = []
    for stage, (name, what) in rows.items():
        record = found.pop(stage)
        parts = record["parts"]
        whole = parts["all"]
        low, high = whole["iou_interval"]
        cells.append(
            (
                f"`cmunext-xxs-hw_{name}_busi`: {what}",
                f"{whole['iou']:.3f}",
                f"{record['standard_error']:.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{whole['iou_pooled8_orders']:.3f} +- {whole['iou_pooled8_orders_deviation']:.3f}",
                " / ".join(f"{parts[f'class {each}']['iou']:.3f}" for each in ("benign", "malignant")),
                " / ".join(f"{parts[f'size {each}']['iou']:.3f}" for each in ("small", "medium", "large")),
                f"{whole['missed']:.1%}",
            )
        )
    assert not found, f"results without a row: {', '.join(found)}"
    return table(
        (
            "recipe", "per image", "standard error", "95% interval", "pooled-8", "benign / malignant",
            "small / medium / large lesions", "missed",
        ),
        cells,
    )  # fmt: skip


def bits() -> str:
    """What ``quant study busi-bits`` left of the cells that were trained."""
    cells = json.loads((DOCS / "results" / "trials" / "busi-bits.json").read_text(encoding="utf-8"))
    rows = []
    for name, cell in cells.items():
        low, high = cell["iou_interval"]
        settings = ", ".join(f"`{key} = {value}`" for key, value in cell["last"].items())
        rows.append(
            (
                name,
                settings,
                f"{cell['iou']:.3f} ({low:.3f} to {high:.3f})",
                f"{cell['iou_pooled8_orders']:.3f}",
                f"{cell['missed']:.1%}",
                _in_points(cell) if "difference" in cell else "",
            )
        )
    return table(
        (
            "cell", "settings of QAT", "per image (95% interval)", "pooled-8", "missed",
            "from float, points (95% interval)",
        ),
        rows,
    )  # fmt: skip


def _in_points(cell: dict[str, Any]) -> str:
    low, high = (100 * end for end in cell["difference_interval"])
    return f"{100 * cell['difference']:+.1f} ({low:+.1f} to {high:+.1f})"


def boards() -> str:
    """The known boards, from their TOML files."""
    rows = []
    for path in sorted((ROOT / "hw_build" / "boards").glob("*.toml")):
        board = tomllib.loads(path.read_text(encoding="utf-8"))
        has, clock = board["resources"], board["clocks"]["fabric_mhz"]
        counts = (f"{has.get(key, 0):,}" for key in ("luts", "ffs", "bram36", "uram", "dsps"))
        rows.append((f"`{path.stem}`", board["part"], *counts, f"{clock:g} MHz"))
    return table(("board", "part", "LUT", "FF", "BRAM36", "URAM", "DSP", "clock"), rows)


def operators() -> str:
    """What each operator of hw_build says of itself in its ``ROWS``."""
    folder = ROOT / "hw_build" / "operators"
    names = [name.rpartition(".")[2] for name in literal(folder / "__init__.py", "OPERATORS")]
    rows = [row for name in names for row in literal(folder / f"{name}.py", "ROWS")]
    return table(("operator", "limits", "becomes"), sorted(rows, key=lambda row: row[0].lower()))


def kernels() -> str:
    """What `python -m tests.rtl.kernel_costs` left: an instance a row, beside FINN's node for the same."""

    def told(figures: dict[str, Any] | None, names: Sequence[str]) -> str:
        """``figures`` in the order of ``names``, block RAM as BRAM36; nothing where there are none."""
        if figures is None or all(figures[name] is None for name in names):
            return "none"
        scaled = {**figures, "bram18": None if figures["bram18"] is None else figures["bram18"] / 2}
        return ", ".join("–" if scaled[name] is None else f"{scaled[name]:g}" for name in names)

    rows = []
    for each in json.loads((DOCS / "results" / "kernels.json").read_text(encoding="utf-8")):
        nodes = ", ".join(name.removesuffix("_rtl").removesuffix("_hls") for name in each["finn"]) or "none"
        left_out = [name for name in each["finn_left_out"] if each["finn_used"] is not None]
        without = f", without {' and '.join(left_out)}" if left_out else ""
        remark = each["remark"] and f" ({each['remark']})"
        rows.append((
            f"{each['what']}{remark}",
            ", ".join(each["ours"]) or "–",
            told(each["used"], _USED) if each["used"] else "FINN's",
            told(each["modelled"], ("luts",)),
            nodes,
            told(each["finn_estimated"], ("luts", "bram18", "dsps")),
            told(each["finn_used"], _USED) + without,
        ))  # fmt: skip
    headings = (
        "instance", "our kernels", "LUT, FF, BRAM36, DSP", "LUT by our model", "FINN's nodes",
        "FINN's estimate: LUT, BRAM36, DSP", "FINN's RTL: LUT, FF, BRAM36, DSP",
    )  # fmt: skip
    return table(headings, rows)


def literal(path: Path, name: str) -> Sequence[Any]:
    """What the module at ``path`` sets ``name`` to, read without importing it; nothing where it does not."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(at, ast.Name) and at.id == name for at in node.targets):
            return ast.literal_eval(node.value)
    return ()


def registers() -> str:
    """Every register and field, from the shell's one description of them."""
    path = ROOT / "hw_build" / "implement" / "shell" / "registers.toml"
    described = tomllib.loads(path.read_text(encoding="utf-8"))
    rows: list[Sequence[object]] = []
    for register in described["register"]:
        fields = register.get("fields", [])
        access = register.get("access", "" if fields else "rw")
        rows.append((f"0x{register['offset']:02X}", f"`{register['name']}`", "", access, register["doc"]))
        rows += [("", f"`{field['name']}`", field["bit"], field["access"], field["doc"]) for field in fields]
    return table(("offset", "register or field", "bit", "access", "meaning"), rows)


def scaling(results: Path) -> str:
    """The points of a ``scale.json`` that have a design; boards with the same best design share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for point in json.loads(results.read_text(encoding="utf-8")):
        figures = point["figures"]
        if figures["luts"] is None or (point["frames_per_second"] is None and not figures["boards"]):
            continue
        network = point["network"].removeprefix("cmunext-").removesuffix("-hw")
        asked = "max" if point["frames_per_second"] is None else f"{point['frames_per_second']:g}"
        side, bits = point["side"], re.sub(r"w(\d+)a\1", r"\1", point["bits"])
        cycles, luts, bram36, dsps = (f"{figures[key]:,}" for key in ("cycles_per_frame", "luts", "bram36", "dsps"))
        beside = f" + {figures['uram']} URAM" if figures.get("uram") else ""
        counts = cycles, luts, bram36 + beside, dsps
        boards_that_fit = rows.setdefault((network, bits, f"{side}x{side}", asked, *counts), [])
        boards_that_fit += [board for board in figures["boards"] if board not in boards_that_fit]
    headings = ("network", "bits", "input", "asked, frames/s", "cycles", "LUT", "BRAM36", "DSP", "fits")
    return table(headings, ((*row, ", ".join(fits) or "none of them") for row, fits in rows.items()))


TABLES = {
    "accuracy": accuracy,
    "bits": bits,
    "boards": boards,
    "crossval": crossval,
    "kernels": kernels,
    "operators": operators,
    "registers": registers,
}


def renewed(page: str) -> str:
    """The text of ``page`` with its tables made anew."""
    return _TABLE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", page)


def main(arguments: Sequence[str]) -> int:
    """Writes every page whose tables are not those of the files; with ``--check`` names them and returns 1."""
    if arguments[:1] == ["--scale"]:
        print(scaling(Path(arguments[1])), end="")
        return 0
    stale = 0
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if renewed(text) != text:
            stale += 1
            if "--check" in arguments:
                print(f"{path.relative_to(ROOT)}: its tables are not those of the files: run python docs/tables.py")
            else:
                path.write_text(renewed(text), encoding="utf-8")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
