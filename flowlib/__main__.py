"""`python -m flowlib`: see flowlib.cli."""

import sys

from flowlib.cli import main

if __name__ == "__main__":
    sys.exit(main())
