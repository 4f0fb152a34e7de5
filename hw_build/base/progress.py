"""Progress of long work on the terminal: one bar for the steps of a build, one below it for the step that runs.

Where the output is no terminal, each finished step is a line and bars are not drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from types import TracebackType

# called with a description and a total, returns a function that is called with how much of it is done
Meter = Callable[[str, int], Callable[[int], None]]


class BuildProgress:
    """Context manager; ``start`` and ``done`` bracket a step, ``meter`` gives the running step a bar of its own."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._title = title
        self._all = self._bars.add_task(title, total=None)

    def __enter__(self) -> BuildProgress:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def expect(self, steps: int) -> None:
        """Sets how many steps there will be."""
        self._bars.update(self._all, total=steps)

    def start(self, step: str) -> None:
        self._bars.update(self._all, description=f"{self._title}: {step}")

    def done(self, step: str, outcome: str) -> None:
        self._bars.advance(self._all)
        self._bars.update(self._all, description=self._title)
        self._console.print(f"  {step:<14} {outcome}", highlight=False, markup=False, soft_wrap=True)

    def meter(self, description: str, total: int) -> Callable[[int], None]:
        """A bar that is set to a count by calling the result, and goes away when it reaches ``total``."""
        task = self._bars.add_task(f"  {description}", total=total)

        def show(completed: int) -> None:
            if completed >= total:
                self._bars.update(task, completed=total, visible=False)
            else:
                self._bars.update(task, completed=completed)

        return show


def tell(sentence: str) -> None:
    """Prints a line of result on stdout as it is, without wrapping."""
    Console().print(sentence, highlight=False, markup=False, soft_wrap=True)
