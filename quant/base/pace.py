"""When a run saves what it needs to continue, and when it stops because its time is up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from quant.base.errors import TimeUp


@dataclass
class Pace:
    """Saves at the first end of an epoch after ``save_seconds`` (0: at every one), and ends before ``stop_at``.

    ``stop_at`` is in seconds of ``time.time``, which the processes of a study share; None: no limit.
    """

    save_seconds: float = 0.0
    stop_at: float | None = None

    def begin(self) -> None:
        """Called before the first epoch; raises TimeUp where the time is up already."""
        self._saved_at = self._began_at = time.time()
        if self._is_late(self._began_at):
            raise _time_up()

    def must_save(self) -> bool:
        """Asked at the end of an epoch: whether it is time to save, or there is none left for another like it."""
        now = time.time()
        self._is_over = self._is_late(now + (now - self._began_at))
        due = self._is_over or now - self._saved_at >= self.save_seconds
        self._began_at = now
        if due:
            self._saved_at = now
        return due

    def go_on(self) -> None:
        """Called once the epoch is saved, if it is; raises TimeUp where another would end too late."""
        if self._is_over:
            raise _time_up()

    def _is_late(self, moment: float) -> bool:
        return self.stop_at is not None and moment > self.stop_at


def _time_up() -> TimeUp:
    return TimeUp("the time allowed by --minutes is over; the same command continues where this one stopped")
