"""Proofs by Yosys' SAT solver, by induction over time, that a module's proof bench never says `bad`.

A bench (`<module>_proof.sv`) holds the module beside a model of what it must do, drives it with any inputs at any time,
resets included, and ties the module's registers to the model's: so the claim is inductive, and it holds for ever.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.implement.synth.yosys import run_passes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).parent
LIMIT_SECONDS = 120.0


def prove(files: Sequence[Path | str], parameters: Mapping[str, int], *, falsify_within: int | None = None) -> None:
    """`bad` of module `proof` is 0 in every cycle from power-up on; with ``falsify_within``: it is 1 in one of so many.

    Args:
        files: SystemVerilog, as paths or as text.

    Raises:
        SynthesisError: it is not so, or the proof is no induction over at most six cycles.
    """
    with tempfile.TemporaryDirectory(prefix="edgeseg-proof-") as name:
        folder = Path(name)
        paths = []
        for number, file in enumerate(files):
            path = folder / f"{number}.sv"
            path.write_text(file if isinstance(file, str) else file.read_text())
            paths.append(str(path))
        overrides = [word for key, value in parameters.items() for word in ("-G", f"{key}={value}")]
        question = ["-verify", "-prove", "bad", "0", "-tempinduct", "-maxsteps", "6"]
        if falsify_within is not None:
            question = ["-falsify", "-prove", "bad", "0", "-seq", str(falsify_within)]
        passes = [
            ["read_slang", "--allow-use-before-declare", "--top", "proof", *overrides, *paths],
            ["prep", "-top", "proof", "-flatten"],
            ["memory_map"],
            ["opt", "-full"],
            ["sat", *question, "proof"],
        ]
        asyncio.run(run_passes("proof", passes, folder, LIMIT_SECONDS))
