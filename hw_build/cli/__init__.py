"""The command line of ``hw_build``, one module per command: the only package that uses argparse.

It imports nothing heavy until a command runs.
"""
