"""What ``report.json`` holds, as frozen dataclasses, and its reader and writer.

Cycles are cycles of the accelerator's clock per frame in the steady state unless the name says otherwise. A value that
was not measured in this build is None, in JSON null.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hw_build.base.errors import BuildError
from hw_build.base.records import as_record, load_record, record
from hw_build.base.step_engine import write_atomically
from hw_build.folding.account import Account

if TYPE_CHECKING:
    from pathlib import Path

REPORT_JSON = "report.json"
REFERENCE_MHZ = 100.0


@record
class Totals:
    """The accelerator as a whole. ``latency_cycles`` are those from the first pixel in to the last result out of a lone
    frame that comes as fast as it is taken, ``flush_cycles`` those from its last pixel in. The ``paced_`` ones are the
    same of the last of several frames that begin every ``paced_cycles_per_frame``, as from a camera of that rate.

    Resources are Yosys' mapping before placement. ``luts`` are LUT sites in all, ``lutram`` and ``srl`` those of them
    that hold data; two RAMB18 are one ``bram36``. What ``parts_not_synthesised`` take is missing from them.
    What lies in FIFOs (``fifo_luts``, ``fifo_bram18``, ``fifo_uram``) is by the model of their memory;
    ``fifo_sizing_seconds`` is what measuring their depths took, ``simulated_khz`` cycles of the accelerator
    simulated in a millisecond.
    ``netlist_*`` are those of the device netlist: the same cells, put together, and rewritten to be placeable.
    ``fmax_mhz`` is the clock that a place and route tool met, ``fps_at_fmax`` the rate at it.
    """

    cycles_per_frame: int | None = None
    fps_at_100mhz: float | None = None
    latency_cycles: int | None = None
    flush_cycles: int | None = None
    paced_cycles_per_frame: int | None = None
    paced_latency_cycles: int | None = None
    paced_flush_cycles: int | None = None
    simulated_khz: float | None = None
    fifo_luts: int | None = None
    fifo_bram18: int | None = None
    fifo_uram: int | None = None
    fifo_sizing_seconds: float | None = None
    luts: int | None = None
    lutram: int | None = None
    srl: int | None = None
    ffs: int | None = None
    bram36: int | None = None
    uram: int | None = None
    dsps: int | None = None
    parts_not_synthesised: int | None = None
    netlist_luts: int | None = None
    netlist_ffs: int | None = None
    netlist_bram36: int | None = None
    netlist_dsps: int | None = None
    fmax_mhz: float | None = None
    fps_at_fmax: float | None = None

    @classmethod
    def measured(cls, **found: int | float | None) -> Totals:
        """Totals of a simulation, a synthesis or both; a single frame shows no ``cycles_per_frame``."""
        interval = found.get("cycles_per_frame")
        fps = None if interval is None else REFERENCE_MHZ * 1e6 / interval
        return as_record(cls, {**found, "fps_at_100mhz": fps})


@record
class Verification:
    """One rung of the ladder: ``step`` compared with ``against`` on real images, integer by integer.

    ``seconds`` of the comparison are None for what an earlier stage compared.
    """

    step: str
    exact: bool
    against: str
    seconds: float | None
    first_difference: str | None = None


@record
class Node:
    """One hardware node. ``layer`` is the node of the exported network that it came from, ``origin`` whose RTL it is;
    shapes are (N, H, W, C), ``bits`` those of its output; the FIFO is the one behind it.

    ``expected_*`` come from its models, resources without that prefix from synthesis; ``stream_*`` are what the FIFOs
    and width converters behind it take. ``not_synthesised`` says why there is no figure.
    """

    name: str
    layer: str
    kernel: str
    origin: str
    shape_in: list[int]
    shape_out: list[int]
    bits: int
    pe: int | None
    simd: int | None
    expected_cycles: int
    measured_cycles: int | None = None
    fifo_depth: int | None = None
    fifo_high_water: int | None = None
    expected_luts: int | None = None
    expected_bram18: int | None = None
    expected_uram: int | None = None
    expected_dsps: int | None = None
    luts: int | None = None
    lutram: int | None = None
    srl: int | None = None
    ffs: int | None = None
    bram18: int | None = None
    uram: int | None = None
    dsps: int | None = None
    stream_luts: int | None = None
    stream_bram18: int | None = None
    stream_uram: int | None = None
    not_synthesised: str | None = None


@record
class Image:
    """The image of the demo. ``differing_logits`` counts logits unlike the reference; ``iou`` is against the mask."""

    name: str
    logits: int
    differing_logits: int
    iou: float | None = None


@record
class Baseline:
    """Stock FINN's own estimates for the same network, folded by FINN for ``target_cycles`` a frame.

    ``backend`` is ``rtl`` or ``hls``; ``nodes`` maps op types to how many (``count``) and the same figures;
    ``not_in_finn`` are op types that FINN has no node for, which count nothing.
    """

    backend: str
    target_cycles: int
    cycles_per_frame: int
    luts: int
    dsps: int
    bram18: int
    nodes: dict[str, dict[str, int]]
    not_in_finn: list[str]


@record
class Implementation:
    """After placement and routing, by the tool's own reports; ``bram36`` counts a RAMB18 as half.

    ``luts`` are sites in Vivado, outputs of sites, two each, in nextpnr. ``read_back`` says whether the bitstream,
    taken apart again, holds what was asked for, or why nobody looked; ``routed_netlist``
    whether the netlist after routing still computes the golden data, or why nobody tried. ``seed`` is nextpnr's.
    """

    toolchain: str
    luts: float
    ffs: float
    bram36: float
    dsps: float
    fmax_mhz: float
    bitstream_bytes: int
    read_back: str
    routed_netlist: str
    seed: int | None = None


@record
class Report:
    """``report.json``: one object with these keys. ``budget`` is what the board has, in the keys of its file.

    ``folding`` is None where the optimiser did not choose; ``baseline`` and ``implementation`` are None until their
    commands ran. ``design`` names the stitched sources
    (`Design.network_hash`), None before they are.
    """

    board: str
    part: str
    budget: dict[str, int]
    model: dict[str, Any]
    totals: Totals
    verification: list[Verification]
    nodes: list[Node]
    image: Image | None = None
    folding: Account | None = None
    baseline: Baseline | None = None
    implementation: Implementation | None = None
    design: str | None = None

    @property
    def exact(self) -> bool:
        return all(line.exact for line in self.verification)


def write_report(path: Path, report: Report) -> None:
    """Writes ``report.json``, complete or not at all."""
    write_atomically(path, (json.dumps(asdict(report), indent=1) + "\n").encode())


def read_report(path: Path) -> Report:
    """Reads what ``write_report`` wrote.

    Raises:
        BuildError: there is none, or it is not a report of this version.
    """
    try:
        return load_record(Report, path)
    except OSError as error:
        raise BuildError(f"report '{path}' cannot be read ({error.strerror}); run the build first") from None
    except ValueError as error:
        raise BuildError(f"'{path}' is not a report of this version ({error}); run the build again") from None
