"""The command ``report``."""

from __future__ import annotations

from pathlib import Path

from hw_build.base.progress import tell
from hw_build.flow.pipeline import REPORT_HTML, pictures_of, publish
from hw_build.report.data import REPORT_JSON, read_report


def run_report(build_dir: Path) -> int:
    """Writes the page of a finished build again."""
    report = read_report(build_dir / REPORT_JSON)
    publish(build_dir, report, pictures_of(build_dir, report))
    tell(f"report: {build_dir / REPORT_HTML}")
    return 0
