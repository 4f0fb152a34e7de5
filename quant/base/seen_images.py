"""What the network of a checkpoint saw in training: its own images, and those of the networks that it began with or
was taught by.

Scores on images that it saw say nothing of others. Images are known by the content of their files, whatever their
folder or list is called. Checkpoints that were made before this was recorded know the name of their data's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


@dataclass(frozen=True)
class Seen:
    """``images``: digests of their files; ``folders``: names of folders whose images were seen, nobody knows which."""

    images: frozenset[int] = frozenset()
    folders: frozenset[str] = frozenset()

    @staticmethod
    def by(checkpoint: dict[str, Any]) -> Seen:
        """What the network of ``checkpoint`` saw."""
        if "seen" in checkpoint:
            kept = checkpoint["seen"]
            return Seen(frozenset(kept["images"].tolist()), frozenset(kept["folders"]))
        run = checkpoint.get("run")
        name = run.get("data") if isinstance(run, dict) else None
        return Seen(folders=frozenset([name] if name else []))

    @staticmethod
    def of(data_dir: Path | str, digests: Iterable[int] | None) -> Seen:
        """The images of these ``digests``; without, some of the folder."""
        if digests is None:
            return Seen(folders=frozenset([Path(data_dir).resolve().name]))
        return Seen(images=frozenset(digests))

    @staticmethod
    def joined(parts: Iterable[Seen]) -> Seen:
        """All that any of ``parts`` saw."""
        parts = list(parts)
        return Seen(
            frozenset().union(*(part.images for part in parts)), frozenset().union(*(part.folders for part in parts))
        )

    def as_record(self) -> dict[str, Any]:
        """For the key ``seen`` of a checkpoint."""
        return {"images": torch.tensor(sorted(self.images), dtype=torch.int64), "folders": sorted(self.folders)}

    def count(self, digests: Iterable[int]) -> int:
        """How many of ``digests`` are of images that were seen."""
        return sum(digest in self.images for digest in digests)


def require_unseen(
    data_dir: Path | str, scored: Collection[int], beginnings: Iterable[Path | None], *, by_folds: bool
) -> None:
    """ConfigError where a network or teacher that a training begins with saw images that the training will score.

    ``scored`` are their digests; ``by_folds``: they are all images of ``data_dir``, each in turn.
    """
    name = Path(data_dir).resolve().name
    for path in beginnings:
        if path is None:
            continue
        seen = Seen.by(checkpoints.load(path, of_volumes=True))
        if count := seen.count(scored):
            remedy = "" if by_folds else ", or give `train` --all-images, which scores none"
            raise ConfigError(
                f"'{path}' was trained on {count} of the {len(scored)} images of '{name}' that are to be scored as not"
                f" seen; start from weights of other images{remedy}"
            )
        if by_folds and name in seen.folders:
            raise ConfigError(
                f"'{path}' was trained on images of '{name}', and every one of them is reported by a fold as not seen;"
                " start from weights of other images, or rename the folder if these are others"
            )
