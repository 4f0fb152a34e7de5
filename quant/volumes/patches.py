"""Batches of random patches of scans, with a share that is centred on foreground; the drawing is MONAI's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.transforms import Compose, RandCropByPosNegLabeld, RandFlipd, SpatialPadd
from torch.nn import functional

from quant.volumes.slabs import extended, slab_of_patch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quant.volumes.scans import Scan


class PatchSampler:
    """Patches of ``patch`` (x, y, z) voxels; with ``slices`` above 0 of (x, y) and so many slices, for image networks.

    ``foreground_share`` of the patches have a foreground voxel at their centre, as far as the border lets them. Each
    axis of a volume is flipped with probability 1/2, if ``is_flipped``; of slabs only x and y.
    """

    def __init__(
        self,
        scans: Sequence[Scan],
        patch: Sequence[int],
        foreground_share: float,
        slices: int = 0,
        *,
        is_flipped: bool = True,
    ) -> None:
        self._slices = slices
        self._items = [self._item(scan) for scan in scans]
        keys, sides = ("codes", "labels"), (*patch[:2], slices) if slices else tuple(patch)
        crop = RandCropByPosNegLabeld(
            keys, label_key="labels", spatial_size=sides, pos=foreground_share, neg=1 - foreground_share, num_samples=1
        )
        axes = (2 if slices else 3) if is_flipped else 0
        flips = [RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in range(axes)]
        self._draw = Compose([SpatialPadd(keys, spatial_size=sides), crop, *flips])

    def _item(self, scan: Scan) -> dict[str, torch.Tensor]:
        codes, labels = scan.codes, scan.labels[None]
        if self._slices:
            k = self._slices // 2
            # the repeated slices are no centres of their own: they have no foreground to draw from
            codes, labels = extended(codes, self._slices), functional.pad(labels, (k, k))
        return {"codes": codes, "labels": labels}

    def batches(self, steps: int, batch: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """``steps`` batches: codes (B, C, X, Y, Z) and labels (B, 1, X, Y, Z), uint8, or (B, C * slices, Y, X) and
        (B, 1, Y, X). All follows from ``seed``; scans come in turn, in an order drawn anew for each pass over them.
        """
        rng = np.random.default_rng(seed)
        self._draw.set_random_state(seed=seed % (1 << 32))
        order: list[int] = []
        for _ in range(steps):
            codes, labels = [], []
            for _ in range(batch):
                order = order or list(rng.permutation(len(self._items)))
                (drawn,) = self._draw(self._items[order.pop()])
                code, label = (torch.as_tensor(drawn[key]).to(torch.uint8) for key in ("codes", "labels"))
                if self._slices:
                    k = self._slices // 2
                    code, label = slab_of_patch(code), slab_of_patch(label)[k : k + 1]
                codes.append(code)
                labels.append(label)
            yield torch.stack(codes), torch.stack(labels)
