"""`python -m flowlib`: see flowlib.cli."""

import sys

from flowlib.threads import choose_waiting

choose_waiting()  # before torch loads

from flowlib.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
