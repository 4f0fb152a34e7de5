"""``python -m board describe io_spec.json``: what a frame is made of."""

import argparse
import sys

from board.io_spec import IoSpecError, read_io_spec


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m board", description="run-time side of the accelerator")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    describe = commands.add_parser("describe", help="sizes of a frame, from io_spec.json")
    describe.add_argument("io_spec", metavar="IO_SPEC", help="io_spec.json of a build")
    arguments = parser.parse_args(argv)
    try:
        spec = read_io_spec(arguments.io_spec)
    except IoSpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"network  {spec.network}")
    print(f"in       {spec.height} x {spec.width} x {spec.channels} codes, {spec.input_bytes} bytes")
    print(f"out      {spec.logit_words} logits of 32 bits, or a mask of {spec.mask_words} words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
