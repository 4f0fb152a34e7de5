"""Where the runs of a cross-validation are trained: here one after another, in processes, or by Dask on other hosts.

Several small networks at once keep a GPU busy that one leaves idle. Each process shares the cores of the machine with
the others, unless OMP_NUM_THREADS says otherwise; sums in another order change weights in their last bits.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from quant.base.errors import ConfigError, TimeUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_CONNECT_SECONDS = 10


def run_all(task: Callable[..., Any], arguments: Sequence[tuple], jobs: int = 1, scheduler: str | None = None) -> None:
    """Calls ``task(*arguments[i], quiet)`` for every i, ``jobs`` of them at once.

    Raises:
        ConfigError: ``jobs`` below 1, no scheduler answers, or a process was ended from outside.
        TimeUp: of any task, once all have ended; errors of a task, and Ctrl-C: at once, and processes here are ended.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {jobs}")
    if jobs == 1 and scheduler is None:
        for values in arguments:
            task(*values, False)
        return
    with _executor(jobs, scheduler) as executor:
        running = [executor.submit(task, *values, True) for values in arguments]
        late = None
        try:
            for future in as_completed(running):
                try:
                    future.result()
                except TimeUp as error:
                    late = error
        except BrokenProcessPool:
            raise ConfigError(
                "a training process was ended from outside, perhaps for lack of memory; give fewer --jobs, the same"
                " command continues"
            ) from None
        finally:
            for future in running:
                future.cancel()
    if late is not None:
        raise late


@contextmanager
def _executor(jobs: int, scheduler: str | None) -> Iterator[Executor]:
    if scheduler is None:
        context = multiprocessing.get_context("spawn")
        others = multiprocessing.active_children()
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare, initargs=(jobs,)) as pool:
            try:
                yield pool
            except BaseException:  # leaving the pool waits for what runs, perhaps for hours
                for worker in set(multiprocessing.active_children()).difference(others):
                    worker.terminate()
                raise
        return
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at '{scheduler}' ({error}); start one with `dask scheduler`, or leave out"
            " --scheduler"
        ) from None
    with client:
        yield client.get_executor(pure=False)


def _prepare(jobs: int) -> None:
    """Ctrl-C reaches every process of the terminal, and the parent alone says so; each takes its share of the cores."""
    import torch

    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, and the next call would train beside them in their folders."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
