"""The settings of one training run. Defaults are the paper's (Carvalho & Vestias 2025)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

from board.io_spec import MAX_CHANNELS
from quant.base.classes import require_classes
from quant.base.device import require_device
from quant.base.errors import ConfigError
from quant.base.seed import require_seed
from quant.base.toml_file import require_types
from quant.training.loss import LOSSES
from quant.training.sampling import SAMPLINGS
from quant.training.stages import require_stages
from quant.twin.networks import channels_of

SCHEDULES = ("constant", "cosine", "plateau")
# bfloat16 holds codes of up to 8 bits exactly; sums are rounded, so it serves training alone: scores are in float32.
PRECISIONS = ("float32", "bfloat16")
CALIBRATIONS = ("calib_data", "train")
AUGMENTATIONS = ("flips", "strong", "ultrasound", "none")
RANGES = ("calibrated", "learned")
NEEDS = {  # settings of runs that have these
    **dict.fromkeys(("distill", "feature_distill"), "teacher"),
    **dict.fromkeys(("calibration", "damp", "ranges"), "quant"),
}
_MOST = 2**31 - 1  # of what is counted
_LARGEST = 1e6  # of a rate or a weight: far beyond sense, far from the end of float32


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run; ``size`` in pixels, ``lr`` per step of Adam; ``find_lr``: found by a range test in its place.

    With ``ema`` above 0 the network that is scored and kept is an exponential moving average, of this decay a step, of
    the weights and BN statistics (Polyak & Juditsky, SIAM J. Control Optim. 30 (1992) 838). ``distill`` weighs the
    distance from a teacher, where there is one, ``feature_distill`` that from its decoder's features,
    ``deep_supervision`` the loss of the decoder's stages (``stages.py``), ``damp`` in the end that of a twin's weights
    from their quantized values. Activation ranges of a quantized network stay as calibrated, or are ``learned`` from
    there through the first half of the epochs and then stay. Through the share ``frozen_norms`` of the epochs, the last
    ones, BNs normalise by their statistics, as they do in use, and not by those of the batch; of an average by its own.
    ``copy_paste``: the probability with which an image of a
    batch gets the lesion of another one. ``sampling``: see ``sampling.py``. ``normal_cases`` keeps the images of a
    released BUSI without a lesion. ``all_images`` trains on the data's lists ``train`` and ``val`` together: nothing is
    left to score. ``schedule`` "plateau" divides ``lr`` by ten when the training loss has not fallen
    for ten epochs (torch's ReduceLROnPlateau and its defaults); Liu et al. 2022 (LW-UNet) do not say what they watch.
    ``classes`` 1: masks of foreground; N: masks of class indices 0 to N - 1, background 0, and N logits per pixel.
    ``channels`` of the images, such as five slices of a volume; 0: those that the network is registered with.
    ``crop_height`` and ``crop_width`` above 0: the second stage of a cascade, which sees crops of the images of
    ``size`` around the truth's centroid, in training moved by up to ``jitter`` pixels.
    """

    model: str
    data: str
    epochs: int = 300
    batch: int = 8
    lr: float = 1e-3
    find_lr: bool = False
    weight_decay: float = 1e-4
    schedule: str = "constant"
    loss: str = "bce-dice"
    size: int = 256
    seed: int = 1
    device: str = "cpu"
    precision: str = "float32"
    calibration: str = "train"
    ema: float = 0.0
    augmentation: str = "flips"
    copy_paste: float = 0.0
    sampling: str = "uniform"
    ranges: str = "calibrated"
    distill: float = 1.0
    deep_supervision: float = 0.0
    feature_distill: float = 0.0
    damp: float = 0.0
    frozen_norms: float = 0.0
    normal_cases: bool = False
    all_images: bool = False
    classes: int = 1
    channels: int = 0
    crop_height: int = 0
    crop_width: int = 0
    jitter: int = 0

    def __post_init__(self) -> None:
        if self.lr == "find":
            raise ConfigError('lr = "find" is what the command line calls it; write find_lr = true')
        require_types("--", {name.replace("_", "-"): value for name, value in asdict(self).items()}, _TYPES)
        for field, value in (
            ("epochs", self.epochs),
            ("batch", self.batch),
            ("size", self.size),
        ):
            if not 1 <= value <= _MOST:
                raise ConfigError(f"--{field} must be 1 to {_MOST}, got {value}")
        require_classes(self.classes)
        for field, chosen, known in (
            ("schedule", self.schedule, SCHEDULES),
            ("loss", self.loss, LOSSES),
            ("calibration", self.calibration, CALIBRATIONS),
            ("precision", self.precision, PRECISIONS),
            ("augmentation", self.augmentation, AUGMENTATIONS),
            ("sampling", self.sampling, SAMPLINGS),
            ("ranges", self.ranges, RANGES),
        ):
            if chosen not in known:
                raise ConfigError(f"unknown {field} '{chosen}'; known: {', '.join(known)}")
        if not 0 <= self.channels <= MAX_CHANNELS:
            raise ConfigError(f"--channels must be 0 (the network's own) to {MAX_CHANNELS}, got {self.channels}")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"--ema must be at least 0 and below 1, got {self.ema}")
        for field, weight in (
            ("distill", self.distill),
            ("weight-decay", self.weight_decay),
            ("deep-supervision", self.deep_supervision),
            ("feature-distill", self.feature_distill),
            ("damp", self.damp),
        ):
            if not 0 <= weight <= _LARGEST:
                raise ConfigError(f"--{field} must be 0 to {_LARGEST:g}, got {weight}")
        if not 0 <= self.copy_paste <= 1:
            raise ConfigError(f"--copy-paste is a probability of 0 to 1, got {self.copy_paste}")
        if not 0 <= self.frozen_norms <= 1:
            raise ConfigError(f"--frozen-norms is a share of the epochs, 0 to 1, got {self.frozen_norms}")
        if self.copy_paste and self.classes > 1:
            raise ConfigError(
                f"--copy-paste pastes lesions of one class, the masks have {self.classes} classes; leave it out"
            )
        if self.copy_paste and self.batch == 1:
            raise ConfigError("--copy-paste pastes lesions of other images of a batch; give --batch 2 or more")
        if self.damp and self.epochs == 1:
            raise ConfigError("--damp rises from 0 in the first epoch to W in the last; give --epochs 2 or more")
        if not 0 < self.lr <= _LARGEST:
            raise ConfigError(f"--lr must be above 0 and at most {_LARGEST:g}, got {self.lr}")
        if self.deep_supervision:
            require_stages("--deep-supervision", self.model, fewest=2)
        if self.feature_distill:
            require_stages("--feature-distill", self.model)
        self._require_crop()
        require_seed(self.seed)
        require_device(self.device)

    def _require_crop(self) -> None:
        crop = (self.crop_height, self.crop_width)
        if min(crop) < 0 or (0 in crop and any(crop)) or max(crop) > self.size:
            raise ConfigError(f"a crop has height and width of 1 to --size {self.size}, got {crop[0]} and {crop[1]}")
        if not 0 <= self.jitter <= _MOST or (self.jitter and not any(crop)):
            raise ConfigError(f"jitter moves a crop by 0 pixels or more, got {self.jitter}; give it with a crop")

    @property
    def in_channels(self) -> int:
        """Channels of the images that the network sees."""
        own = channels_of(self.model)
        return self.channels or own

    @property
    def crop(self) -> tuple[int, int] | None:
        """(H, W), or None where whole images are seen."""
        return (self.crop_height, self.crop_width) if self.crop_height else None

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) that the network sees."""
        return self.crop or (self.size, self.size)

    def learning_rate(self, epoch: int) -> float:
        """Learning rate of ``epoch`` (from 0): a cosine from ``lr`` to a hundredth of it, or ``lr``.

        What a plateau takes off ``lr`` is known to the ``Learner``, which sees the loss.
        """
        if self.schedule != "cosine":
            return self.lr
        progress = epoch / max(1, self.epochs - 1)
        return self.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def damping(self, epoch: int) -> float:
        """Weight of the distance of a twin's weights from their quantized values: a cosine from 0 to ``damp``."""
        progress = epoch / max(1, self.epochs - 1)
        return self.damp * 0.5 * (1 - math.cos(math.pi * progress))

    @property
    def first_frozen_epoch(self) -> int:
        """From which on BNs keep their statistics (from 0): any share above 0 is one epoch at least."""
        return self.epochs - (max(1, round(self.epochs * self.frozen_norms)) if self.frozen_norms else 0)

    def range_learning_rate(self, epoch: int, rate: float) -> float:
        """That of learned activation ranges, whose unit is an octave: ten times ``rate``, 0 in the second half."""
        return 0.0 if epoch >= self.epochs / 2 else 10 * rate


_TYPES = {
    entry.name.replace("_", "-"): {"str": str, "int": int, "float": float, "bool": bool}[str(entry.type)]
    for entry in fields(TrainConfig)
}
