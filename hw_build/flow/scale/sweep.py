"""Evaluates many design points: in local processes or on a Dask cluster; each result is a file of its own.

A point is not evaluated again if its file has the key of the present inputs (network, boards, sources of the models):
an interrupted sweep continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hw_build.base.errors import BuildError
from hw_build.base.records import load_record, record
from hw_build.base.sources import digests_of
from hw_build.base.step_engine import write_atomically
from hw_build.flow.scale.point import Figures, Point, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hw_build.base.board_config import Board

_CONNECT_SECONDS = 10
_KEYED = evaluate  # what a saved result depends on, with all that it runs


@record
class _Saved:
    """The content of a point's file; ``point`` is there for human readers."""

    key: str
    point: dict[str, Any]
    figures: Figures


def sweep(
    points: Sequence[Point],
    lowered: Mapping[tuple[str, str], bytes],
    boards: Sequence[Board],
    folder: Path,
    *,
    executor: Callable[[], AbstractContextManager[Executor]],
    on_done: Callable[[Point, Figures, bool], None] = lambda point, figures, saved: None,
) -> dict[Point, Figures]:
    """Figures of every point; ``lowered`` is keyed by (network, bits), ``executor`` is entered if a point is missing.

    ``on_done`` receives the point, its figures, and whether they were on disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    common = json.dumps([[asdict(board) for board in boards], digests_of(_KEYED)])
    keys, found, missing = {}, {}, []
    for point in points:
        digest = hashlib.sha256(json.dumps([asdict(point), common]).encode())
        digest.update(lowered[point.network, point.bits])
        keys[point] = digest.hexdigest()
        figures = _saved(folder / f"{point.name}.json", keys[point])
        if figures is None:
            missing.append(point)
        else:
            found[point] = figures
            on_done(point, figures, True)
    if missing:
        with executor() as pool:
            for point, figures in _evaluated(pool, missing, lowered, boards):
                saved = asdict(_Saved(key=keys[point], point=asdict(point), figures=figures))
                write_atomically(folder / f"{point.name}.json", json.dumps(saved, indent=1).encode())
                found[point] = figures
                on_done(point, figures, False)
    return {point: found[point] for point in points}


def _evaluated(
    pool: Executor, points: Sequence[Point], lowered: Mapping[tuple[str, str], bytes], boards: Sequence[Board]
) -> Iterator[tuple[Point, Figures]]:
    """Yields points and figures as they are done.

    Raises:
        BuildError: a worker was killed.
    """
    running = {pool.submit(evaluate, point, lowered[point.network, point.bits], boards): point for point in points}
    try:
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenExecutor:
        raise BuildError(
            "a process of the sweep was ended from outside, perhaps for lack of memory; give fewer --jobs, the same "
            "command continues with the points that are left"
        ) from None
    finally:
        for future in running:
            future.cancel()


def _saved(path: Path, key: str) -> Figures | None:
    try:
        saved = load_record(_Saved, path)
    except (OSError, ValueError):
        return None
    return saved.figures if saved.key == key else None


@contextmanager
def local_processes(jobs: int | None = None) -> Iterator[Executor]:
    """Runs points in ``jobs`` processes of this machine (default: one per core)."""
    with ProcessPoolExecutor(
        jobs or os.cpu_count(), mp_context=multiprocessing.get_context("spawn"), initializer=_end_on_interrupt
    ) as pool:
        yield pool


def _end_on_interrupt() -> None:
    """Ctrl-C reaches every process of the terminal; only the parent reports it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """Runs points on the workers of the Dask scheduler at ``address``; each must be able to import this package.

    Raises:
        BuildError: no scheduler answers there.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise BuildError(
            f"no Dask scheduler answers at '{address}' ({error}); start one with `dask scheduler`, or leave out "
            "--scheduler"
        ) from None
    with client:
        yield client.get_executor(pure=False)
