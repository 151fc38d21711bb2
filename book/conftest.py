"""Validate with one thread, as the outputs were made: `pytest --nbval book/` starts its kernels after this."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
