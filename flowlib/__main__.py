"""`python -m flowlib`: see flowlib.cli."""

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: its waiting threads sleep, and do not slow a busy machine

from flowlib.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
