"""The command ``report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.progress import tell
from hw_build.flow.pipeline import REPORT_HTML, pictures_of, publish
from hw_build.report.data import REPORT_JSON, read_report

if TYPE_CHECKING:
    from pathlib import Path


def run_report(build_dir: Path) -> int:
    """Writes report.html of a finished build again."""
    report = read_report(build_dir / REPORT_JSON)
    publish(build_dir, report, pictures_of(build_dir, report))
    tell(f"report: {build_dir / REPORT_HTML}")
    return 0
