"""``cascade.json``: what joins two networks to a cascade. Beside it lie ``first/`` and ``second/``, a folder a network.

Stage 1 sees an image reduced by the whole number ``reduction``, stage 2 a crop of its own size at full resolution. The
networks' sizes are in their own files (``io_spec.json`` of a deploy folder); here is the rest. ``volume`` is what a
scan must be, and its window; None where the cascade is for images.
"""

import json
import os

import numpy as np

from board.cascade import ALWAYS, NEVER, FusionTable
from board.errors import InputError
from board.volume_spec import VolumeSpec

CASCADE, STAGES = "cascade.json", ("first", "second")
VERSION = 1
_MOST_REDUCTION = 64  # of a side: an image of 4096 pixels for a network of 64
_KEYS = {"version", "origin", "reduction", "least_pixels", "depth", "volume", "networks", "fusion"}


class CascadeSpec:
    """What ``cascade.json`` holds; InputError where a value makes no sense.

    ``table`` is the fusion, made once where the cascade is joined, so that no board's exponential function decides a
    pixel. ``depth``: slices of a volume that stage 2 sees around the centroid; None: all. ``networks``: the
    ``model_sha256`` of both golden files. ``origin``: what the table was made from, for the reader.
    """

    def __init__(self, table, *, reduction=1, least_pixels=1, depth=None, volume=None, networks=(), origin=None):
        for name, value in (("reduction", reduction), ("least_pixels", least_pixels), ("depth", depth)):
            if name == "depth" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"cascade: {name} must be a whole number above 0, got {value!r}; correct it")
        if reduction > _MOST_REDUCTION:
            raise InputError(f"cascade: reduction must be at most {_MOST_REDUCTION}, got {reduction}; correct it")
        if not isinstance(origin, (dict, type(None))):
            raise InputError(f"cascade: origin must be an object, got {origin!r}; copy it again")
        self.table, self.reduction, self.least_pixels, self.depth = table, reduction, least_pixels, depth
        self.volume, self.networks, self.origin = volume, tuple(networks), dict(origin or {})

    @classmethod
    def of_scales(cls, scale1, scale2, weight, threshold, **options):
        """The cascade of two networks whose float logits are ``scale`` times their integers: see ``FusionTable.of``."""
        origin = {"scale1": scale1, "scale2": scale2, "weight": weight, "threshold": threshold}
        return cls(FusionTable.of(scale1, scale2, weight, threshold), origin=origin, **options)

    def text(self):
        """The content of ``cascade.json``."""
        values = {
            "version": VERSION,
            **{name: getattr(self, name) for name in ("origin", "reduction", "least_pixels", "depth")},
            "volume": None if self.volume is None else self.volume.as_dict(),
            "networks": list(self.networks),
            "fusion": {"first": self.table.first, "least": self.table.least.tolist()},
        }
        return json.dumps(values) + "\n"


def read_cascade(folder):
    """The ``CascadeSpec`` of a folder; InputError where its file is missing or wrong."""
    path = os.path.join(str(folder), CASCADE)
    try:
        with open(path) as file:
            values = json.load(file)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}); copy it beside first/ and second/") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is not JSON ({error}); copy it again") from None
    if not isinstance(values, dict) or set(values) != _KEYS or values.pop("version") != VERSION:
        raise InputError(f"'{path}' is not a cascade of version {VERSION}; write it again by `python -m quant cascade`")
    networks = values["networks"]
    if not isinstance(networks, list) or len(networks) != len(STAGES):
        raise InputError(f"'{path}' names {networks!r} as its networks, a cascade has two; copy it again")
    try:
        table, volume = _table(values.pop("fusion")), values.pop("volume")
        return CascadeSpec(table, **values, volume=None if volume is None else VolumeSpec.from_dict(volume))
    except InputError as error:
        raise InputError(f"'{path}': {error}") from None


def _table(values):
    least = values.get("least") if isinstance(values, dict) else None
    whole = isinstance(least, list) and all(type(entry) is int and ALWAYS <= entry <= NEVER for entry in least)
    first = values.get("first") if whole else None
    is_int32 = type(first) is int and ALWAYS <= first <= NEVER
    if not whole or not least or not is_int32 or sorted(least, reverse=True) != least:
        raise InputError("its fusion is not a table of logits that never increase; copy it again")
    return FusionTable(first, np.asarray(least, dtype=np.int32))
