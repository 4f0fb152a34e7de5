"""The stitch step: hardware graph -> ``rtl/`` (top.sv and every source it needs) and ``design.json``.

Sources are copied unchanged, FINN's with its licence notice, so the folder is complete: it can be simulated or
synthesised elsewhere.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from board.io_spec import FrameLayout
from hw_build.base.errors import BuildError
from hw_build.kernels.fifo_memory import in_ultra, memory_cost, ultra_cost
from hw_build.stitch.design import Design, Node, Source, Stream
from hw_build.stitch.graph import PlacedNode, boundary, make_streams, place_nodes
from hw_build.stitch.top import top_text

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

STREAM_RTL = Path(__file__).parents[1] / "rtl" / "stream"
STREAM_FILES = (
    *("stream_fifo.sv", "stream_fifo_packed.sv", "stream_edge.sv", "stream_width.sv"),
    *("argmax.sv", "logit_output.sv"),
)
ULTRA_FILES = ("stream_fifo_ultra.sv", "stream_edge_ultra.sv")  # of a design that has a FIFO in UltraRAM


def stitch(
    model: ModelWrapper, build_dir: Path, *, fifo_depths: dict[str, int] | None = None, model_sha256: str = "",
    uram: int = 0,
) -> Design:  # fmt: skip
    """Write the accelerator of ``model`` below ``build_dir``; an earlier ``rtl/`` there is replaced when complete.

    ``fifo_depths`` maps tensor names to FIFO depths in beats; streams not named get deep defaults for simulation.
    ``model_sha256`` names the exported network that the graph came from. The FIFOs that take most block RAM lie in the
    ``uram`` UltraRAMs that the nodes leave.
    """
    build_dir = Path(build_dir).resolve()
    try:
        build_dir.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix="rtl.partial-", dir=build_dir))
    except OSError as error:
        raise BuildError(f"build directory {build_dir} cannot be written ({error.strerror}): choose another") from error
    try:
        design = replace(_write(model, build_dir, partial, fifo_depths, uram), model_sha256=model_sha256)
        final = build_dir / "rtl"
        (build_dir / "design.json").unlink(missing_ok=True)  # never a design.json that describes another rtl/
        shutil.rmtree(final, ignore_errors=True)
        partial.chmod(0o755)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    design.save()
    return design


def _write(
    model: ModelWrapper, build_dir: Path, partial: Path, fifo_depths: dict[str, int] | None, uram: int
) -> Design:
    source, sink = boundary(model)
    generated_dir = partial / "partial"  # FINN writes more than its RTL reads
    generated_dir.mkdir()
    placed = place_nodes(model, generated_dir)
    streams = make_streams(model, placed, fifo_depths)
    ultra = _ultra(streams, uram)
    _, height, width, channels = model.get_tensor_shape(source)
    _, out_height, out_width, classes = model.get_tensor_shape(sink)
    layout = FrameLayout(height, width, channels, classes, out_height, out_width)
    logit_type = model.get_tensor_datatype(sink)
    compiled = _copy_sources(placed, partial, generated_dir, STREAM_FILES + (ULTRA_FILES if ultra else ()))
    shutil.rmtree(generated_dir)
    (partial / "top.sv").write_text(
        top_text(
            placed,
            streams,
            ultra,
            layout=layout,
            logit_bits=logit_type.bitwidth(),
            logit_signed=logit_type.signed(),
        )
    )
    return Design(
        build_dir=build_dir,
        image_shape=layout.shape,
        classes=classes,
        logit_bits=logit_type.bitwidth(),
        logit_signed=logit_type.signed(),
        nodes=tuple(_describe(item) for item in placed),
        streams=tuple(streams),
        sources=tuple(Source(path=path, sha256=_sha256(partial / path)) for path in [*compiled, "top.sv"]),
        ultra=ultra,
        out_size=layout.out_size if layout.resizes else (),
    )


def _ultra(streams: list[Stream], uram: int) -> tuple[str, ...]:
    """The tensors whose FIFOs lie in UltraRAM."""
    sizes = [(stream.depth, stream.width_bits) for stream in streams]
    chosen = in_ultra([(memory_cost(*size)[0], ultra_cost(*size)[0]) for size in sizes], uram)
    return tuple(stream.tensor for index, stream in enumerate(streams) if index in chosen)


def _describe(item: PlacedNode) -> Node:
    return Node(
        name=item.name,
        op_type=item.node.op_type,
        origin=item.instance.origin,
        module=item.instance.module,
        parameters={k: v for k, v in item.instance.parameters.items() if len(v) <= 64},  # not whole weight matrices
        inputs=item.inputs,
        outputs=item.outputs,
        expected_cycles=item.expected_cycles,
    )


def _copy_sources(
    placed: list[PlacedNode], partial: Path, generated_dir: Path, stream_files: tuple[str, ...]
) -> list[str]:
    """RTL files in compile order, relative to ``rtl/``."""
    compiled: dict[str, Path] = {}
    ours = Path(__file__).parents[1]
    wanted = [(STREAM_RTL / name, "edgeseg") for name in stream_files]
    wanted += [(path, item.instance.origin) for item in placed for path in item.instance.files]
    for path, origin in wanted:
        if path.is_relative_to(generated_dir) and origin == "finn":
            _add(compiled, f"generated/{path.name}", path)
        else:
            _add(compiled, f"{'edgeseg' if path.is_relative_to(ours) else origin}/{path.name}", path)
    for target, path in compiled.items():
        (partial / target).parent.mkdir(exist_ok=True)
        shutil.copyfile(path, partial / target)
    return sorted(compiled, key=lambda name: not name.endswith("_pkg.sv"))


def _add(compiled: dict[str, Path], target: str, path: Path) -> None:
    known = compiled.setdefault(target, path)
    if known != path and known.read_bytes() != path.read_bytes():
        raise BuildError(f"{known} and {path} differ and have the same file name: rename one of them")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
