"""Runs Yosys passes: a JSON list of argument lists on standard input, one pass each; stops at the first that fails.

An argument is the processor time in seconds after which SIGXCPU ends it: other load on the machine does not count.

A process of its own, since an error inside Yosys ends the process that it happens in.
"""

from __future__ import annotations

import json
import resource
import signal
import sys

from pyosys import libyosys


def main() -> None:
    """Run all passes on one design."""
    if len(sys.argv) > 1:
        resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), resource.RLIM_INFINITY))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would wait for the end of a pass
    design = libyosys.Design()
    for arguments in json.load(sys.stdin):
        libyosys.Pass.call(design, arguments)


if __name__ == "__main__":
    main()
