"""Shapes in flowlib's signatures are executed while the tests run (jaxtyping + beartype)."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests' tensors are too small to share

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("flowlib", "typechecking.typechecker")

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture
def generator():
    """A seeded generator: every stochastic test names its randomness."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def double():
    """Double precision for the length of one test, to separate wrong formulas from rounding."""
    torch.set_default_dtype(torch.float64)


@pytest.fixture(autouse=True)
def own_state():
    """What a test sets for the whole process (default type, gradients, working directory) ends with it."""
    dtype, gradients, folder = torch.get_default_dtype(), torch.is_grad_enabled(), os.getcwd()
    yield
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(gradients)
    os.chdir(folder)
