"""A study: a table of recipes, each trained under several seeds by the protocol of ``crossval``, as one job.

A study is a TOML file of ``[[cells]]``: ``name``, ``recipe`` (a path ``*.toml`` is of the study's folder, else of the
current one), ``data`` (the name of a data set, whose folder the command is given), ``seeds``, ``folds`` (none: trained
on the list ``train``, reported on ``val``), ``first_folds`` (trials: only so many of them), ``settings`` (a table that
goes before the recipe's: one change for a trial), ``last`` (the same for the recipe's last stage alone; its ``quant``,
too) and ``against`` (an earlier cell of the same data and folds, from which the difference is told). Cells with the
same ``settings``, or with none, share the stages that their recipes share.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quant.base.errors import ConfigError, EdgesegError
from quant.base.replace_file import replace_text
from quant.base.toml_file import beside_or_here, read_toml, require_type, require_types, shipped_or_path
from quant.scores.resampling import interval
from quant.training.crossval import Plan, collect, prepare
from quant.training.crossval_report import between, in_cell, percent, write_report
from quant.training.recipe import SETTINGS, Stage, merged, read_recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SHIPPED = Path(__file__).parents[1] / "studies"
_SAVE_SECONDS = 60.0
_LONGEST = 120  # of a name of a folder, in characters
_TYPES = {
    "name": str,
    "recipe": str,
    "data": str,
    "seeds": list,
    "folds": int,
    "first_folds": int,
    "settings": dict,
    "last": dict,
    "against": str,
}
_SETTINGS = SETTINGS - {"seed"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row of a study's table; see the module's text."""

    name: str
    recipe: str
    data: str
    seeds: tuple[int, ...] = (1,)
    folds: int | None = None
    first_folds: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    against: str | None = None

    def folder(self, out: Path, seed: int) -> Path:
        """Where its folds of ``seed`` are trained."""
        split = "fixed" if self.folds is None else f"{self.folds}-folds"
        return out / f"{self.data}-{split}" / _as_name(self.settings) / f"seed-{seed}"

    def stages(self) -> tuple[Stage, ...]:
        """Those of the recipe, the last one with settings and a name of its own where the cell changes it."""
        *before, last = read_recipe(self.recipe)
        if not self.last:
            return (*before, last)
        settings = merged(last.settings, self.last)
        quant = settings.pop("quant", last.quant)
        return (*before, replace(last, name=f"{last.name}_{_as_name(self.last)}", settings=settings, quant=quant))

    def plans(self, out: Path, data: str, **more: Any) -> list[Plan]:
        """Of each seed; ``data`` is its folder, ``more`` is of ``Plan``."""
        settings = more.pop("settings", {})
        split = {"fixed_split": True} if self.folds is None else {"folds": self.folds, "first_folds": self.first_folds}
        return [
            Plan(
                stages=self.stages(),
                settings={**self.settings, **settings, "data": data, "seed": seed},
                out=self.folder(out, seed),
                save_seconds=_SAVE_SECONDS,
                **split,
                **more,
            )
            for seed in self.seeds
        ]


def _as_name(settings: dict[str, Any]) -> str:
    """Of a folder: one for the same settings, "" for none; a long one is cut, and ends in a digest of it."""
    name = "_".join(f"{key}-{value}" for key, value in sorted(settings.items())).replace("/", "-")
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def plans_of(cells: Sequence[Cell], out: Path, folders: dict[str, str], **more: Any) -> dict[str, list[Plan]]:
    """The plans of each cell by its name; ``folders`` are those of the data, ``more`` is of ``Plan``.

    Raises:
        ConfigError: a cell's settings make no sense, or are none for its ``against``, or two cells would train
            different stages in one folder.
    """
    plans: dict[str, list[Plan]] = {}
    trained: dict[tuple[Path, str], tuple[str, tuple]] = {}  # the first cell that has a stage, and what that is
    for cell in cells:
        try:
            plans[cell.name] = cell.plans(out, folders[cell.data], **more)
        except EdgesegError as error:
            raise type(error)(f"the study's cell '{cell.name}': {error}") from None
        for plan in plans[cell.name]:
            for stage, config in zip(plan.stages, plan.configs, strict=True):
                links = tuple(of.resolve() if isinstance(of, Path) else of for of in (stage.init_from, stage.teacher))
                this = (config, stage.quant, *links)
                other, before = trained.setdefault((plan.out, stage.name), (cell.name, this))
                if this != before:
                    raise ConfigError(
                        f"the study's cells '{other}' and '{cell.name}' would train different stages '{stage.name}' in"
                        f" one folder, '{plan.out}'; rename the stage in one of their recipes"
                    )
        if cell.against is not None and _masks(plans[cell.name][0]) != _masks(plans[cell.against][0]):
            raise ConfigError(
                f"the study's cell '{cell.name}' reports other masks than '{cell.against}': they differ in classes or"
                " normal_cases; leave out its against"
            )
    return plans


def prepare_cells(plans: dict[str, list[Plan]]) -> None:
    """``prepare`` of the plans of each cell; its refusals name the cell."""
    for name, of_cell in plans.items():
        for plan in of_cell:
            try:
                prepare(plan)
            except EdgesegError as error:
                raise type(error)(f"the study's cell '{name}': {error}") from None


def _masks(plan: Plan) -> tuple[int, bool]:
    return plan.configs[-1].classes, plan.configs[-1].normal_cases


def runs_together(plans: Iterable[Plan]) -> list[tuple[list[Plan], int]]:
    """Plans and the fold that each of them trains, one after the other: those of one folder, which may share stages."""
    of_folder: dict[tuple[Path, int], list[Plan]] = {}
    for plan in plans:
        for fold in plan.folds_to_train():
            of_folder.setdefault((plan.out, fold), []).append(plan)
    return [(together, fold) for (_, fold), together in of_folder.items()]


def read_study(name_or_path: str) -> tuple[Cell, ...]:
    """The cells of a shipped study by name, or of a TOML file by path.

    Raises:
        ConfigError: no such study, no TOML, an unknown or missing key, or a cell that names one that is not before it.
    """
    path = shipped_or_path("study", _SHIPPED, name_or_path)
    study = read_toml(path)
    tables = study.pop("cells", [])
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f"study '{path}' has no cell; add [[cells]] with name, recipe and data")
    if study:
        raise ConfigError(f"study '{path}': unknown key '{next(iter(study))}'; a study holds [[cells]] alone")
    cells: list[Cell] = []
    for table in tables:
        require_type(f"study '{path}': a cell", table, dict)
        cells.append(_cell(table, cells, path))
    return tuple(cells)


def _cell(table: dict[str, Any], earlier: Sequence[Cell], path: Path) -> Cell:
    known = [entry.name for entry in fields(Cell)]
    for key in table:
        if key not in known:
            raise ConfigError(f"study '{path}': unknown key '{key}' of a cell; known: {', '.join(known)}")
    for key in ("name", "recipe", "data"):
        if key not in table:
            raise ConfigError(f"study '{path}': a cell has no {key}; give it one")
    where = f"study '{path}', cell '{table['name']}'"
    require_types(f"{where}: ", table, _TYPES)
    for place, settings in (("settings", _SETTINGS), ("last", _SETTINGS | {"quant"})):
        for key in table.get(place, {}):
            if key not in settings:
                raise ConfigError(f"{where}: unknown setting '{key}'; known: {', '.join(sorted(settings))}")
    if "quant" in table.get("last", {}):
        require_type(f"{where}: quant of last", table["last"]["quant"], str)
        quant = beside_or_here(f"{where}: quant of last", table["last"]["quant"], path)
        table["last"] = {**table["last"], "quant": quant}
    recipe = beside_or_here(f"{where}: recipe", table["recipe"], path)
    cell = Cell(**{**table, "recipe": recipe, "seeds": tuple(table.get("seeds", (1,)))})
    for seed in cell.seeds:
        require_type(f"{where}: a seed", seed, int)
    if not cell.name:
        raise ConfigError(f"{where}: the name is empty; give it one")
    if cell.data in ("", ".", "..") or "/" in cell.data:
        raise ConfigError(f"{where}: data '{cell.data}' cannot be the name of a folder; give it another")
    if cell.name in [other.name for other in earlier]:
        raise ConfigError(f"{where}: an earlier cell has that name; give each its own")
    if not cell.seeds or len(set(cell.seeds)) < len(cell.seeds):
        raise ConfigError(f"{where}: seeds {list(cell.seeds)} are not one or more different numbers; give one or more")
    if cell.first_folds is not None and cell.folds is None:
        raise ConfigError(f"{where}: first_folds without folds; give folds, too")
    if cell.against is not None:
        match = [(other.data, other.folds, other.first_folds) for other in earlier if other.name == cell.against]
        if match != [(cell.data, cell.folds, cell.first_folds)]:
            raise ConfigError(f"{where}: against '{cell.against}' is not an earlier cell of the same data and folds")
    return cell


def report_study(cells: Sequence[Cell], plans: dict[str, list[Plan]], out: Path) -> str:
    """Writes ``study.json`` and ``study.md``, and the report of every plan, of the cells all of whose runs are
    finished; returns the table. ``plans`` are by the cells' names.
    """
    rows, iou_of = {}, {}
    for cell in cells:
        if not all(plan.is_finished() for plan in plans[cell.name]):
            continue
        reported = [collect(plan) for plan in plans[cell.name]]
        found = [write_report(plan, of) for plan, of in zip(plans[cell.name], reported, strict=True)]
        iou_of[cell.name] = np.mean([of.scores.score("iou") for of in reported], axis=0)  # (N,) of the seeds together
        rows[cell.name] = _row(cell, [of["parts"]["all"] for of in found], iou_of)
    replace_text(out / "study.json", json.dumps(rows, indent=1) + "\n")
    table = _markdown(rows)
    replace_text(out / "study.md", table)
    return table


def _row(cell: Cell, of_seeds: list[dict[str, Any]], iou_of: dict[str, np.ndarray]) -> dict[str, Any]:
    mine = iou_of[cell.name]
    row = {
        "recipe": cell.recipe,
        "data": cell.data,
        "settings": cell.settings,
        "last": cell.last,
        "seeds": list(cell.seeds),
        "images": len(mine),
        "iou": float(mine.mean()),
        "iou_of_seeds": [of["iou"] for of in of_seeds],
        "iou_interval": interval(lambda indices: mine[indices].mean(-1), len(mine)),
        "iou_pooled8_orders": float(np.mean([of["iou_pooled8_orders"] for of in of_seeds])),
        "missed": None if of_seeds[0]["missed"] is None else float(np.mean([of["missed"] for of in of_seeds])),
    }
    if cell.against in iou_of:
        apart = mine - iou_of[cell.against]  # of the same images
        row |= {
            "against": cell.against,
            "difference": float(apart.mean()),
            "difference_interval": interval(lambda indices: apart[indices].mean(-1), len(apart)),
        }
    return row


def _markdown(rows: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| cell | seeds | images | IoU per image | 95% interval | IoU pooled-8, random orders | missed | difference |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        apart = ""
        if "difference" in row:
            low_to_high = between(row["difference_interval"], "+")
            told = f" ({low_to_high})" if low_to_high else ""
            apart = f"{row['difference']:+.4f}{told} from {in_cell(row['against'])}"
        lines.append(
            f"| {in_cell(name)} | {len(row['seeds'])} | {row['images']} | {row['iou']:.4f} |"
            f" {between(row['iou_interval'])} | {row['iou_pooled8_orders']:.4f} | {percent(row['missed'])} | {apart} |"
        )
    return "\n".join(lines) + "\n"
