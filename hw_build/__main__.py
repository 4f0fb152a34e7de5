"""``python -m hw_build COMMAND``."""

import sys

from hw_build.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
