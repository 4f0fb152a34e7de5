"""Which folding a build uses: a rate or limits to optimise for, or a target of cycles, and foldings fixed by the user.

A folding file is TOML. Either the optimiser chooses (`hw_build.folding.optimise`), for the fewest LUTs at a rate::

    frames_per_second = 60     # at clock_mhz = 100 unless it says otherwise
    max_dsps = 200             # and max_luts, max_bram36: what it may take (default: see board_share)
    max_latency_frames = 1.3   # frame periods from the first pixel of a frame to its last result (default: no limit)

or, without ``frames_per_second``, for the best rate within the limits. Or every node gets its own cheapest folding
(`hw_build.folding.cheapest`)::

    cycles_per_pixel = 32      # of the input image; or cycles_per_frame

Either way a table per node name fixes that node's folding::

    [LayerName_3]
    PE = 4
    SIMD = 12
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

from hw_build.base.errors import ConfigError
from hw_build.base.records import as_record, record
from hw_build.base.toml_file import read_table

FOLDINGS = Path(__file__).resolve().parent
DEFAULT_CLOCK_MHZ = 100.0
_CYCLES = ("cycles_per_frame", "cycles_per_pixel")
_LIMITS = ("max_luts", "max_dsps", "max_bram36", "max_latency_frames")
_RATE = ("frames_per_second", "clock_mhz")
LEAST, MOST = 1e-6, 1e12  # of anything that is asked for
_MOST_DIGITS = 30
_Whole = Annotated[int, Gt(0), Le(MOST)]
_Number = Annotated[float, Ge(LEAST), Le(MOST)]


@record
class FoldingConfig:
    """One of: a target of cycles; ``frames_per_second``, with or without limits; limits alone.

    ``nodes`` maps node names to foldings that are taken as they are.
    """

    cycles_per_frame: _Whole | None = None
    cycles_per_pixel: _Whole | None = None
    frames_per_second: _Number | None = None
    clock_mhz: _Number | None = None
    max_luts: _Whole | None = None
    max_dsps: _Whole | None = None
    max_bram36: _Whole | None = None
    max_latency_frames: _Number | None = None
    nodes: dict[str, dict[str, int | str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in (*_CYCLES, *_RATE, *_LIMITS) if getattr(self, name) is not None}
        cycles = [name for name in _CYCLES if name in given]
        if len(cycles) > 1 or (cycles and len(given) > 1) or set(given) <= {"clock_mhz"}:
            raise ValueError(
                f"a folding names one of {' and '.join(_CYCLES)}, or frames_per_second, or limits "
                f"({', '.join(_LIMITS)}) with or without it; got {given or 'none of them'}"
            )

    @property
    def optimised(self) -> bool:
        """Whether the optimiser chooses."""
        return self.cycles_per_frame is None and self.cycles_per_pixel is None

    def target_cycles(self, size: tuple[int, int]) -> int | None:
        """Cycles per frame of an image of ``size`` (H, W), at most MOST; None where the best rate is asked for."""
        if self.frames_per_second is not None:
            return int(min((self.clock_mhz or DEFAULT_CLOCK_MHZ) * 1e6 / self.frames_per_second, MOST))
        if self.cycles_per_pixel is not None:
            return int(min(self.cycles_per_pixel * size[0] * size[1], MOST))
        return self.cycles_per_frame


def make_folding(**asked: Any) -> FoldingConfig:
    """The folding of these fields, each held against its type and range.

    Raises:
        ConfigError: one of them is wrong, or they exclude each other.
    """
    try:
        return as_record(FoldingConfig, asked)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def load_folding(text: str) -> FoldingConfig:
    """The folding that a user names: a number of cycles per frame, a shipped name, or a TOML file.

    Raises:
        ConfigError: there is no such folding, or its file is wrong.
    """
    if text.isdecimal():
        if len(text) > _MOST_DIGITS:
            raise ConfigError(f"cycles_per_frame must be at most {MOST:g}, got a number of {len(text)} digits")
        return make_folding(cycles_per_frame=int(text))
    path = Path(text) if text.endswith(".toml") else FOLDINGS / f"{text}.toml"
    if not path.is_file():
        known = ", ".join(sorted(entry.stem for entry in FOLDINGS.glob("*.toml")))
        raise ConfigError(
            f"unknown folding '{text}'; known: {known}, or give a TOML file or a number of cycles per frame"
        )
    tables = read_table(path, "folding file")
    named = {name: tables.pop(name) for name in (*_CYCLES, *_RATE, *_LIMITS) if name in tables}
    if loose := [name for name, value in tables.items() if not isinstance(value, dict)]:
        keys = ", ".join((*_CYCLES, *_RATE, *_LIMITS))
        raise ConfigError(
            f"folding file '{path}': '{loose[0]}' is neither one of {keys} nor a table; write [{loose[0]}] with PE and "
            "SIMD"
        )
    try:
        return make_folding(**named, nodes=tables)
    except ConfigError as error:
        raise ConfigError(f"folding file '{path}': {error}") from None
