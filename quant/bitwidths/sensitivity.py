"""What each layer costs in IoU, and saves in memory, when it alone gets fewer bits.

``sensitivity.json`` is written anew after each point, so an interrupted run continues where it was:

    identity       checkpoint (SHA-256), quantization, images, match_norms: what a point belongs to
    own            iou_pooled8 and iou of the network as it is, weight_bits, activation_bits, input_bits
    sites          kind, name, members, bits, codes
    points         kind, name, bits, iou_pooled8, iou, saved_bits
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quant.base.errors import ConfigError
from quant.base.progress import steps_with_bar
from quant.base.replace_file import replace_text
from quant.bitwidths.sites import ACTIVATION, WEIGHT, Site, total_bits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quant.bitwidths.subject import Subject

FILE = "sensitivity.json"
BITS_RANGE = range(2, 8)


def require_bits(bits: Iterable[int]) -> None:
    """ConfigError unless each of ``bits`` is one that a layer can have."""
    for width in bits:
        if width not in BITS_RANGE:
            raise ConfigError(f"--bits must be {BITS_RANGE.start} to {BITS_RANGE.stop - 1}, got {width}")


def measure_sensitivity(subject: Subject, bits: Iterable[int], out_dir: Path) -> dict[str, Any]:
    """Measures each site at each of ``bits`` that is below its own, and returns what ``sensitivity.json`` holds.

    Raises:
        ConfigError: a width is out of range, or the file holds points of something else.
    """
    bits = sorted(set(bits), reverse=True)
    require_bits(bits)
    path = Path(out_dir) / FILE
    table = read_sensitivity(path, subject) if path.is_file() else _empty(subject)
    known = {(point["kind"], point["name"], point["bits"]) for point in table["points"]}
    missing = [
        (site, width)
        for site in subject.sites
        for width in bits
        if width < site.bits and (site.kind, site.name, width) not in known
    ]
    for site, width in steps_with_bar("sensitivity", missing):
        scores = subject.scores_of_site(site, width)
        point = {"kind": site.kind, "name": site.name, "bits": width, **scores, "saved_bits": site.saved_bits(width)}
        table["points"].append(point)
        _write(path, table)
    if not missing:
        _write(path, table)
    return table


def read_sensitivity(path: Path, subject: Subject) -> dict[str, Any]:
    """A table that was measured on this very network and these images.

    Raises:
        ConfigError: the file is missing, no such table, or of something else.
    """
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
        identity = table["identity"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"'{path}' is not a sensitivity table; run `python -m quant sensitivity`") from None
    for key, value in subject.identity.items():
        if identity.get(key) != value:
            raise ConfigError(f"'{path}' was measured with another {key}; give another --out, or measure it again")
    return table


def costs_of(table: dict[str, Any], bits: Iterable[int]) -> dict[str, dict[int, float]]:
    """{key of a site: {bits: pooled IoU lost}} for the widths ``bits``; negative where the network gained."""
    costs: dict[str, dict[int, float]] = {}
    for point in table["points"]:
        if point["bits"] in bits:
            lost = table["own"]["iou_pooled8"] - point["iou_pooled8"]
            costs.setdefault(f"{point['kind']} {point['name']}", {})[point["bits"]] = lost
    return costs


def _empty(subject: Subject) -> dict[str, Any]:
    memory = {f"{kind}_bits": total_bits(subject.sites, {}, kind) for kind in (WEIGHT, ACTIVATION)}
    return {
        "identity": subject.identity,
        "own": {**subject.own_scores, **memory, "input_bits": subject.input_bits},
        "sites": [_described(site) for site in subject.sites],
        "points": [],
    }


def _described(site: Site) -> dict[str, Any]:
    return {"kind": site.kind, "name": site.name, **asdict(site)}


def _write(path: Path, table: dict[str, Any]) -> None:
    replace_text(path, json.dumps(table, indent=1))
