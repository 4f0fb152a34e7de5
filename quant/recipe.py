"""Recipes: training runs as TOML files, one or more stages that start from each other's best weights.

Keys before the first ``[[stages]]`` hold for every stage. A stage has a ``name``, settings of ``TrainConfig``,
``quant`` (none: the float network), ``init_from`` and ``teacher`` (names of earlier stages; ``init_from`` is the last
earlier stage of the same model unless it says otherwise). ``after`` names a recipe whose stages come first, so that
quantized networks share the float network that they start from, or a smaller network has a larger one as its teacher.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from quant.config import QuantConfig
from quant.errors import ConfigError
from quant.toml_file import read_table
from quant.train import train
from quant.train_config import TrainConfig

_SHIPPED = Path(__file__).parent / "recipes"
_SETTINGS = {entry.name for entry in fields(TrainConfig)} - {"data", "device"}
_LINKS = ("quant", "init_from", "teacher")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training run of a recipe; ``settings`` are of ``TrainConfig``, ``init_from`` and ``teacher`` name stages."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    quant: str | None = None
    init_from: str | None = None
    teacher: str | None = None


def read_recipe(name_or_path: str, followers: tuple[Path, ...] = ()) -> tuple[Stage, ...]:
    """The stages of a shipped recipe by name, or of a TOML file by path; ``followers`` are recipes that come after it.

    Raises:
        ConfigError: no such recipe, no TOML, an unknown key, a value of another type, a stage that names one that does
            not come before it, or a recipe that comes after itself.
    """
    path = _SHIPPED / f"{name_or_path}.toml"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in _SHIPPED.glob("*.toml")))
        raise ConfigError(f"unknown recipe '{name_or_path}'; known: {known}, or the path of a TOML file")
    if path.resolve() in followers:
        raise ConfigError(f"recipe '{path}' comes after itself; name another one with `after`")
    recipe = read_table(path)
    if not isinstance(after := recipe.pop("after", ""), str):
        raise ConfigError(f"recipe '{path}': after must be the name of a recipe, got {after!r}")
    stages = list(read_recipe(after, (*followers, path.resolve()))) if after else []
    tables = recipe.pop("stages", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"recipe '{path}': stages must be tables, got {tables!r}; write each as [[stages]]")
    if not tables:
        raise ConfigError(f"recipe '{path}' has no stage; add [[stages]] with a name")
    for table in tables:
        stages.append(_stage({**recipe, **table}, stages, path))
    return tuple(stages)


def _stage(values: dict[str, Any], earlier: list[Stage], path: Path) -> Stage:
    names = [stage.name for stage in earlier]
    name = values.pop("name", None)
    if not isinstance(name, str) or name in names:
        raise ConfigError(f"recipe '{path}': each stage needs a name of its own")
    if not name or name != Path(name).name or "\0" in name:
        raise ConfigError(f"recipe '{path}': a stage's name is that of its folder, which '{name}' cannot be; change it")
    same_model = [stage.name for stage in earlier if stage.settings.get("model") == values.get("model")]
    links = {"init_from": same_model[-1] if same_model else None}
    links |= {key: values.pop(key) for key in _LINKS if key in values}
    for key in ("init_from", "teacher"):
        if links.get(key) is not None and links[key] not in names:
            raise ConfigError(f"recipe '{path}', stage '{name}': {key} '{links[key]}' is not an earlier stage")
    if not isinstance(links.get("quant", ""), str):
        raise ConfigError(f"recipe '{path}', stage '{name}': quant must be a name or a file, got {links['quant']!r}")
    for key in values:
        if key not in _SETTINGS:
            known = ", ".join(sorted({*_SETTINGS, *_LINKS}))
            raise ConfigError(f"recipe '{path}', stage '{name}': unknown key '{key}'; known: {known}")
    return Stage(name=name, settings=values, **links)


def follow(stages: tuple[Stage, ...], out_dir: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """Trains the stages one after the other, each into a folder of its name, and returns the last one's scores.

    A stage that is already there goes on from its ``last.pt``, and is left alone once it has all its epochs. Settings
    in ``overrides`` go before those of every stage. All stages are looked at before the first is trained.

    Raises:
        ConfigError, DataError, CheckpointError: see their messages; also where a folder holds a run of other settings.
    """
    runs = [
        (stage, _config(stage, overrides), None if stage.quant is None else QuantConfig.read(stage.quant))
        for stage in stages
    ]
    scores = {}
    for stage, config, quant in runs:
        folder = Path(out_dir) / stage.name
        scores = train(
            config,
            quant,
            folder,
            init_from=_best(out_dir, stage.init_from),
            teacher=_best(out_dir, stage.teacher),
            resume=(folder / "last.pt").is_file(),
        )
    return scores


def _config(stage: Stage, overrides: dict[str, Any]) -> TrainConfig:
    settings = {**stage.settings, **overrides}
    if "model" not in settings:
        raise ConfigError(f"stage '{stage.name}' names no network; give it `model`, or --model beside --recipe")
    try:
        return TrainConfig(**settings)
    except ConfigError as error:
        raise ConfigError(f"stage '{stage.name}': {error}") from None


def _best(out_dir: Path, stage: str | None) -> Path | None:
    return None if stage is None else Path(out_dir) / stage / "best.pt"
