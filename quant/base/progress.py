"""A progress bar on stderr; on anything but a terminal rich would leave an empty line, so there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Step = TypeVar("Step")


def steps_with_bar(title: str, steps: Sequence[Step]) -> Iterator[Step]:
    """Yields ``steps`` one by one, each counted when the next is asked for."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from steps
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(title, total=len(steps))
        for step in steps:
            yield step
            progress.update(bar, advance=1)
