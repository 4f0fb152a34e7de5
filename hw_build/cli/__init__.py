"""The command line of ``hw_build``, a module a command: the only place that knows argparse.

It imports nothing heavy until a command runs.
"""
