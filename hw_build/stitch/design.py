"""What a stitched accelerator is made of: nodes, streams, sources. Written to and read from ``design.json``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from board.io_spec import FrameLayout
from hw_build.base.errors import BuildError
from hw_build.base.records import load_record, record
from hw_build.base.step_engine import hash_file

TOP_MODULE = "edgeseg_accelerator"
INPUT, OUTPUT = "s_axis", "m_axis"  # stand for a node where a stream begins or ends at the boundary


@record
class Node:
    """One hardware node. ``expected_cycles`` per frame come from its cost model."""

    name: str
    op_type: str
    origin: str  # "edgeseg" or "finn": whose RTL it is
    module: str
    parameters: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    expected_cycles: int


@record
class Stream:
    """One edge: its FIFO carries beats of ``producer_elements``, the consumer takes beats of ``consumer_elements``."""

    tensor: str
    producer: str
    consumer: str
    element_bits: int
    producer_elements: int
    consumer_elements: int
    beats_per_frame: int
    depth: int

    @property
    def label(self) -> str:
        """``producer -> consumer``."""
        return f"{self.producer} -> {self.consumer}"

    @property
    def width_bits(self) -> int:
        """Of a beat in its FIFO."""
        return self.producer_elements * self.element_bits


@record
class Source:
    """A file below ``rtl/``; they are compiled in their order."""

    path: str
    sha256: str


@record
class Design:
    """A stitched accelerator below ``build_dir/rtl``.

    ``model_sha256`` is the hash of the exported network's file, empty where a graph without an export was stitched;
    ``ultra`` are the tensors whose FIFOs lie in UltraRAM; ``out_size`` is (H', W') of the logits, where these are not
    of the image's size.
    """

    build_dir: Path
    image_shape: tuple[int, int, int]  # (H, W, C) of the input codes
    classes: int  # logits of a pixel
    logit_bits: int
    logit_signed: bool
    nodes: tuple[Node, ...]
    streams: tuple[Stream, ...]
    sources: tuple[Source, ...]
    model_sha256: str = ""
    ultra: tuple[str, ...] = ()
    out_size: tuple[int, ...] = ()

    @property
    def rtl_dir(self) -> Path:
        """Folder of all sources."""
        return self.build_dir / "rtl"

    @property
    def rtl_files(self) -> list[Path]:
        """Sources in compile order."""
        return [self.rtl_dir / s.path for s in self.sources]

    @property
    def layout(self) -> FrameLayout:
        """How its frames lie in memory, and leave it as words."""
        return FrameLayout(*self.image_shape, self.classes, *self.out_size)

    @property
    def expected_cycles_per_frame(self) -> int:
        """Cycles of the slowest node, or of the output stage, which gives a word a cycle."""
        return max(*(node.expected_cycles for node in self.nodes), self.layout.logit_words)

    @property
    def network_hash(self) -> int:
        """64 bits that name this very accelerator: sources and weights. Bitstream and ``io_spec.json`` carry it."""
        digest = hashlib.sha256("".join(f"{s.path} {s.sha256}\n" for s in self.sources).encode())
        return int.from_bytes(digest.digest()[:8], "big")

    def check_sources(self) -> None:
        """BuildError unless every source below ``rtl/`` is the one that was stitched: all users have the same."""
        for source in self.sources:
            path = self.rtl_dir / source.path
            if not path.is_file() or hash_file(path) != source.sha256:
                raise BuildError(f"{path} is not the file that was stitched and simulated: stitch the design again")

    def check_model(self, model: Path, sha256: str) -> None:
        """BuildError unless the exported network ``model``, of hash ``sha256``, is the one that was stitched."""
        if sha256 != self.model_sha256:
            raise BuildError(
                f"'{self.build_dir}' was built from another model than '{model}' (the hashes differ): give the export "
                "that was built, or build again"
            )

    def save(self) -> Path:
        """Write ``design.json``, complete or not at all."""
        left_out = {"build_dir", *(name for name in ("ultra", "out_size") if not getattr(self, name))}
        content = {key: value for key, value in asdict(self).items() if key not in left_out}
        path = self.build_dir / "design.json"
        partial = path.with_suffix(".json.partial")
        partial.write_text(json.dumps(content, indent=1) + "\n")
        partial.replace(path)
        return path

    @classmethod
    def load(cls, build_dir: Path) -> Design:
        """Read ``build_dir/design.json``; BuildError when it is missing or not of this version."""
        path = Path(build_dir) / "design.json"
        try:
            design = load_record(cls, path, build_dir=Path(build_dir))
            if not (design.nodes and design.sources):
                raise ValueError("it has no nodes or no sources")
            return design
        except OSError as error:
            raise BuildError(f"{path} cannot be read ({error.strerror}): run the stitch step first") from error
        except ValueError as error:
            raise BuildError(f"{path} is not a design of this version ({error}): run the stitch step again") from error
