"""When a run saves what it needs to go on, and when it stops because its time is up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from quant.errors import TimeUp


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
        self._stop_if(self._began_at)

    def must_save(self) -> bool:
        """Asked at the end of an epoch: whether it is time to save, or there is none left for another like it."""
        now = time.time()
        due = now - self._saved_at >= self.save_seconds or self._is_late(self._end_of_another(now))
        if due:
            self._saved_at = now
        return due

    def end_epoch(self) -> None:
        """Called once the epoch is saved, if it is; raises TimeUp where another would end too late."""
        now = time.time()
        end, self._began_at = self._end_of_another(now), now
        self._stop_if(end)

    def _end_of_another(self, now: float) -> float:
        return now + (now - self._began_at)

    def _is_late(self, moment: float) -> bool:
        return self.stop_at is not None and moment > self.stop_at

    def _stop_if(self, end: float) -> None:
        if self._is_late(end):
            raise TimeUp("the time that --minutes allows is up; the same command goes on where this one stopped")
