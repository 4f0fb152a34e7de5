"""Recipes: training runs as TOML files, one or more stages that start from each other's weights.

Keys before the first ``[[stages]]`` hold for every stage. A stage has a ``name``, settings of ``TrainConfig``,
``quant`` (none: the float network), ``init_from`` and ``teacher``: names of earlier stages, or checkpoints, as paths
that end in .pt from the recipe's folder; ``init_from`` is the last earlier stage of the same model unless it says
otherwise. ``after`` names a recipe whose stages come first (a path that ends in .toml from the recipe's folder, else
from the current one), so that quantized networks share the float network that they start from, or a smaller network has
a larger one as its teacher. A 3D teacher takes the place of all others: see
``quant.training.distill``.

A table ``[cascade]`` joins two stages: ``first`` and ``second`` are their names, ``crop`` = [H, W] and ``jitter`` what
every stage behind ``first`` sees of its images, and ``weight``, ``threshold``, ``least_pixels`` and ``depth`` how
the logits of both become a mask (``quant.training.cascade_table``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quant.base.errors import CheckpointError, ConfigError
from quant.base.toml_file import beside_or_here, read_toml, require_types, shipped_or_path
from quant.training.beginning import require_links
from quant.training.cascade_table import CascadeTable
from quant.training.train import KEPT, LAST, require_accepted, require_unseen_links, train
from quant.training.train_config import NEEDS, TrainConfig
from quant.twin.config import QuantConfig

if TYPE_CHECKING:
    from collections.abc import Callable

_SHIPPED = Path(__file__).parents[1] / "recipes"
SETTINGS = {entry.name for entry in fields(TrainConfig)} - {"data", "device"}
_LINKS = ("quant", "init_from", "teacher")
_CHECKPOINT = ".pt"
_LONGEST_NAME = 80  # of a stage, in bytes: names of folders and files begin with it
_NAMES = dict.fromkeys(("name", "model", *_LINKS), str)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training run of a recipe; ``settings`` are of ``TrainConfig``, ``init_from`` and ``teacher`` name stages or
    are checkpoints. ``recipe`` is the file that it was read from, if any.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    quant: str | None = None
    init_from: str | Path | None = None
    teacher: str | Path | None = None
    recipe: Path | None = field(default=None, compare=False)


def read_recipe(name_or_path: str) -> tuple[Stage, ...]:
    """The stages of a shipped recipe by name, or of a TOML file by path.

    Raises:
        ConfigError: no such recipe, no TOML, an unknown key, a value of another type, recipes that come after each
            other, or a stage that names one that does not come before it.
    """
    return _stages(name_or_path, ())


def _stages(name_or_path: str, readers: tuple[Path, ...]) -> tuple[Stage, ...]:
    """The stages of a recipe that the recipes ``readers`` come after."""
    path = shipped_or_path("recipe", _SHIPPED, name_or_path)
    if path.resolve() in readers:
        raise ConfigError(f"recipe '{path}' follows itself; correct `after` of one of them")
    recipe = read_toml(path)
    after, tables, cascade = recipe.pop("after", None), recipe.pop("stages", []), recipe.pop("cascade", None)
    if not isinstance(after, (str, type(None))) or not isinstance(tables, list):
        raise ConfigError(f"recipe '{path}': `after` is the name of a recipe, and stages are tables [[stages]]")
    stages = []
    if after is not None:
        before = beside_or_here(f"recipe '{path}': after", after, path)
        stages = list(_stages(before, (*readers, path.resolve())))
    if not tables:
        raise ConfigError(f"recipe '{path}' has no stage; add [[stages]] with a name")
    for table in tables:
        if not isinstance(table, dict):
            raise ConfigError(f"recipe '{path}': a stage is a table, got {table!r}; write it as [[stages]]")
        stages.append(_stage(merged(recipe, table), stages, path))
    return tuple(stages) if cascade is None else _cropped(stages, CascadeTable.of(cascade, path))


def read_cascade_table(path: str) -> tuple[CascadeTable, int]:
    """The table ``[cascade]`` of the recipe at ``path``, and by how much its first stage's images are reduced.

    Raises:
        ConfigError: there is none, or the recipe makes no sense.
    """
    sizes = {stage.name: _size(stage) for stage in read_recipe(path)}
    table = read_toml(Path(path)).get("cascade") if Path(path).is_file() else None
    if table is None:
        raise ConfigError(f"recipe '{path}' has no table [cascade]; add one, or give another --recipe")
    cascade = CascadeTable.of(table, Path(path))
    return cascade, sizes[cascade.second] // sizes[cascade.first]


def _size(stage: Stage) -> int:
    size = stage.settings.get("size", TrainConfig.size)
    if type(size) is not int or size < 1:
        raise ConfigError(f"stage '{stage.name}': size must be a whole number above 0, got {size!r}; correct it")
    return size


def _cropped(stages: list[Stage], cascade: CascadeTable) -> tuple[Stage, ...]:
    """The stages, those behind the cascade's first with its crop; ConfigError where it does not fit them."""
    names = [stage.name for stage in stages]
    for name in (cascade.first, cascade.second):
        if name not in names:
            raise ConfigError(f"recipe '{cascade.source}': [cascade] names stage '{name}', which does not exist")
    behind = names.index(cascade.first) + 1
    if cascade.second not in names[behind:]:
        raise ConfigError(
            f"recipe '{cascade.source}': [cascade] needs '{cascade.second}' after '{cascade.first}'; swap the two"
        )
    cut = [replace(stage, settings={**stage.settings, **cascade.settings}) for stage in stages[behind:]]
    sizes = {stage.name: _size(stage) for stage in stages}
    if sizes[cascade.second] % sizes[cascade.first]:
        raise ConfigError(
            f"recipe '{cascade.source}': size {sizes[cascade.second]} of '{cascade.second}' is not a whole number of "
            f"times the size {sizes[cascade.first]} of '{cascade.first}'; correct one"
        )
    return (*stages[:behind], *cut)


def _stage(values: dict[str, Any], earlier: list[Stage], path: Path) -> Stage:
    names = [stage.name for stage in earlier]
    named = {key: value for key, value in values.items() if key in _NAMES}
    require_types(f"recipe '{path}': ", named, _NAMES)
    if values.get("name", "") in ("", *names):
        raise ConfigError(f"recipe '{path}': each stage needs a name of its own")
    name = values.pop("name")
    if name in (".", "..") or "/" in name or not name.isprintable() or len(name.encode()) > _LONGEST_NAME:
        raise ConfigError(
            f"recipe '{path}': stage {name[: _LONGEST_NAME + 1]!a} cannot be the name of a folder; give it another, of"
            f" at most {_LONGEST_NAME} bytes"
        )
    same_model = [stage.name for stage in earlier if stage.settings.get("model") == values.get("model")]
    quant = values.pop("quant", None)
    links: dict[str, str | Path | None] = {"init_from": same_model[-1] if same_model else None, "teacher": None}
    for key in links:
        if (link := values.pop(key, None)) is not None:
            links[key] = link if link in names else _checkpoint(link, f"recipe '{path}', stage '{name}': {key}", path)
    for key in values:
        if key not in SETTINGS:
            known = ", ".join(sorted({*SETTINGS, *_LINKS}))
            raise ConfigError(f"recipe '{path}', stage '{name}': unknown key '{key}'; known: {known}")
    if quant is not None:
        quant = beside_or_here(f"recipe '{path}', stage '{name}': quant", quant, path)
    return Stage(name=name, settings=values, quant=quant, recipe=path, **links)


def _checkpoint(named: str, where: str, recipe: Path) -> Path:
    """The checkpoint that is ``named`` in ``recipe``; ConfigError where it is none or not there."""
    if not named.endswith(_CHECKPOINT):
        raise ConfigError(f"{where} '{named}' is not an earlier stage, nor a checkpoint (*{_CHECKPOINT})")
    found = recipe.parent / named
    if not found.is_file():
        raise ConfigError(f"{where} '{named}': there is no file '{found}'; correct the path, from the recipe's folder")
    return found


def follow(
    stages: tuple[Stage, ...], out_dir: Path, overrides: dict[str, Any], run: Callable[..., Any] = train
) -> dict[str, Any] | None:
    """Trains the stages one after the other, each into a folder of its name, and returns the last one's scores, if any.

    A stage that is already there continues from its ``last.pt``, and is left alone once it has all its epochs. Settings
    in ``overrides`` go before those of every stage. ``run`` trains a stage; it is called as ``train`` is.

    Raises:
        ConfigError, DataError, CheckpointError: see their messages; also where a folder holds a run of other settings.
    """
    runs = runs_of(stages, overrides)  # all of them first: a mistake in the last is told at once
    for config, _ in runs:
        require_accepted(config)
    scores = {}
    for stage, (config, quant) in zip(stages, runs, strict=True):
        folder = Path(out_dir) / stage.name
        scores = run(
            config,
            quant,
            folder,
            init_from=_kept(out_dir, stage.init_from),
            teacher=_kept(out_dir, stage.teacher),
            resume=(folder / LAST).is_file(),
        )
    return scores


def require_unseen_beginnings(stages: tuple[Stage, ...], out_dir: Path, overrides: dict[str, Any]) -> None:
    """ConfigError where a checkpoint that a stage is still to begin with, or a teacher, saw what ``train`` scores."""
    for stage in stages:
        begins = not (Path(out_dir) / stage.name / LAST).is_file()
        links = (stage.init_from if begins else None, stage.teacher)
        require_unseen_links(run_of(stage, overrides)[0], [link for link in links if isinstance(link, Path)])


def merged(settings: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """``settings``, before which ``overrides`` go: a rate among these also goes before one that was to be found."""
    rate_is_given = settings.get("find_lr") is True and "lr" in overrides
    return {**settings, **({"find_lr": False} if rate_is_given else {}), **overrides}


def runs_of(stages: tuple[Stage, ...], overrides: dict[str, Any]) -> tuple[tuple[TrainConfig, QuantConfig | None], ...]:
    """What each of ``stages`` trains; ConfigError or CheckpointError where a setting has an effect on none of them, or
    one is to start from weights, or to have a teacher, that do not fit it.
    """
    runs = tuple(run_of(stage, overrides) for stage in stages)
    quantized = {stage.name for stage in stages if stage.quant is not None}
    for stage in stages:
        if stage.quant is None and stage.init_from in quantized:
            raise ConfigError(
                f"stage '{stage.name}' is float and starts from '{stage.init_from}', which is quantized; give it quant"
                " or another init_from, or put it first"
            )
    trained = dict(zip((stage.name for stage in stages), runs, strict=True))
    for stage, run in zip(stages, runs, strict=True):
        links = (trained[link] if isinstance(link, str) else link for link in (stage.init_from, stage.teacher))
        try:
            require_links(*run, *links)
        except (CheckpointError, ConfigError) as error:
            raise type(error)(f"stage '{stage.name}': {error}") from None
    for setting, needed in NEEDS.items():
        changed = [
            stage
            for stage, (config, _) in zip(stages, runs, strict=True)
            if getattr(config, setting) != getattr(TrainConfig, setting)
        ]
        if changed and all(getattr(stage, needed) is None for stage in changed):
            names = ", ".join(f"'{stage.name}'" for stage in changed)
            raise ConfigError(
                f"{setting} has no effect without {needed}, and of stages with it ({names}) none has one; give one of"
                f" them {needed}, or leave out {setting}"
            )
    return runs


def run_of(stage: Stage, overrides: dict[str, Any]) -> tuple[TrainConfig, QuantConfig | None]:
    """What ``stage`` trains; ``overrides`` go before its settings."""
    settings = merged(stage.settings, overrides)
    if "model" not in settings:
        raise ConfigError(f"stage '{stage.name}' names no model; add `model = ...` to the recipe, or give --model")
    try:
        return TrainConfig(**settings), None if stage.quant is None else QuantConfig.read(stage.quant)
    except ConfigError as error:
        where = "" if stage.recipe is None else f"stage '{stage.name}' of recipe '{stage.recipe}': "
        raise ConfigError(f"{where}{error}") from None


def _kept(out_dir: Path, link: str | Path | None) -> Path | None:
    return Path(out_dir) / link / KEPT if isinstance(link, str) else link
