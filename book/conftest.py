"""Validate with threads that sleep while they wait: `pytest --nbval book/` starts its kernels after this."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
