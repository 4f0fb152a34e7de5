"""``report.json``, what a build measured, and the page made of it."""
