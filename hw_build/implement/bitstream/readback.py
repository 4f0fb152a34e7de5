"""The written ``.bit`` taken apart again, and compared with what place and route asked for: in bits and in features.

Bits: every word of every frame in the ``.bit``, as ``bitread`` finds it, is the word that ``fasm2frames`` made of
nextpnr's FASM; but for the 13 check bits in the middle of each frame, which ``xc7frames2bit`` computes and ``bitread``
leaves out. Features: what ``bit2fasm`` makes of these bits has each feature of nextpnr's FASM that sets a bit at all.
It may name more, where that is another name for the same: each bit of such a feature is one that the FASM, or the
part itself, asked for in that tile.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError, MismatchError
from hw_build.implement.bitstream.fasm import Feature, read_fasm, text_of
from hw_build.implement.bitstream.xray_database import XrayDatabase

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ("bit2fasm", "bitread")
FASM_BACK, BITS_BACK, LOG = "readback.fasm", "readback.bits", "readback.log"
_CHECK_WORD, _CHECK_BITS = 50, 0x1FFF  # of a frame
Frames = dict[int, list[int]]


def read_back(bitstream: Path, fasm: Path, frames: Path, database: Path, part: str) -> str:
    """Compare ``bitstream`` with ``fasm`` and with ``frames``, which `fasm2frames` made of it; returns what to report.

    ``database`` is X-Ray's, of the family. What was read back is left beside the bitstream.

    Raises:
        MismatchError: a bit or a feature differs; names the first.
        BuildError: a tool fails, or a file has another form.
    """
    if missing := [name for name in TOOLS if not shutil.which(name)]:
        return f"not read back: {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not on PATH"
    folder = bitstream.parent
    _disassemble(bitstream, database, part)
    bits = compare_frames(read_frames(frames), read_bits(folder / BITS_BACK), bitstream, frames)
    features = compare_features(
        read_fasm(fasm), read_fasm(folder / FASM_BACK), XrayDatabase(database), part, fasm, folder / FASM_BACK
    )
    return f"exact, {features:,} features, {bits:,} bits"


def _disassemble(bitstream: Path, database: Path, part: str) -> None:
    folder = bitstream.parent
    options = ["--db-root", str(database), "--part", part, "--bitread", "bitread", "--bits-file", BITS_BACK]
    with (folder / FASM_BACK).open("wb") as out, (folder / LOG).open("wb") as log:
        status = subprocess.run(
            ["bit2fasm", *options, bitstream.name], cwd=folder, stdout=out, stderr=log, check=False
        ).returncode
    if status:
        lines = (folder / LOG).read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
        raise BuildError(f"bit2fasm cannot read '{bitstream}' back, status {status}: {last}; see '{folder / LOG}'")


def read_frames(path: Path) -> Frames:
    """Address -> words, of a file of ``fasm2frames``: ``0x00000900 0x00020800,0x00000000,...``.

    Raises:
        BuildError: a line has another form.
    """
    frames: Frames = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        address, _, words = line.partition(" ")
        try:
            frames[int(address, 16)] = [int(word, 16) for word in words.split(",")]
        except ValueError:
            raise BuildError(f"line {number} of '{path}' is not a frame: {line[:60]}") from None
    return frames


def read_bits(path: Path) -> Frames:
    """Address -> words that are not all zero, of a list by ``bitread -y``: ``bit_00000900_000_11``, a set bit a line.

    Raises:
        BuildError: a line has another form.
    """
    frames: defaultdict[int, list[int]] = defaultdict(lambda: [0] * 101)
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            _, address, word, bit = line.split("_")
            frames[int(address, 16)][int(word)] |= 1 << int(bit)
        except (ValueError, IndexError):
            raise BuildError(f"line {number} of '{path}' is not a bit: {line[:60]}") from None
    return dict(frames)


def compare_frames(asked: Frames, found: Frames, bitstream: Path, frames: Path) -> int:
    """Every word of every frame; a frame that one side leaves out is zero. Returns how many bits are set.

    Raises:
        MismatchError: words differ; names the first.
    """
    differing, bits = [], 0
    for address in sorted(asked.keys() | found.keys()):
        left, right = (_without_check_bits(side.get(address, [])) for side in (asked, found))
        bits += sum(word.bit_count() for word in left)
        length = max(len(left), len(right))
        pair = zip(left + [0] * (length - len(left)), right + [0] * (length - len(right)), strict=True)
        differing += [(address, place, *words) for place, words in enumerate(pair) if words[0] != words[1]]
    if differing:
        address, place, want, got = differing[0]
        raise MismatchError(
            f"'{bitstream}' does not hold what place and route asked for: {len(differing)} words of configuration "
            f"differ, first word {place} of frame 0x{address:08X}: 0x{got:08X} instead of 0x{want:08X} in '{frames}'"
        )
    return bits


def _without_check_bits(words: list[int]) -> list[int]:
    return [word & ~_CHECK_BITS if place == _CHECK_WORD else word for place, word in enumerate(words)]


def compare_features(
    asked: set[Feature], found: set[Feature], database: XrayDatabase, part: str, fasm: Path, back: Path
) -> int:
    """Features of nextpnr's FASM and of the bitstream; returns how many were asked for and found.

    Raises:
        MismatchError: one is lost, or one is there that nobody asked for; names the first.
    """
    lost = sorted(feature for feature in asked - found if database.set_bits(feature) != frozenset())
    if lost:
        raise MismatchError(
            f"'{fasm}' asks for {text_of(lost[0])}, which is not in the bitstream as read back into '{back}' "
            f"({len(lost)} such features)"
        )
    extra = found - asked
    tiles = {name.partition(".")[0] for name, _ in extra}
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for feature in asked | database.required_features(part):
        tile = feature[0].partition(".")[0]
        if tile in tiles:
            wanted[tile] |= database.set_bits(feature) or frozenset()
    unasked = sorted(feature for feature in extra if not _is_implied(feature, wanted, database))
    if unasked:
        raise MismatchError(
            f"the bitstream, read back into '{back}', has {text_of(unasked[0])}, which '{fasm}' does not ask for "
            f"({len(unasked)} such features)"
        )
    return len(asked & found)


def _is_implied(feature: Feature, wanted: dict[str, set[str]], database: XrayDatabase) -> bool:
    bits = database.set_bits(feature)
    return bits is not None and bits <= wanted[feature[0].partition(".")[0]]
