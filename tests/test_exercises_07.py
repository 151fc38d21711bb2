"""Wrong answers to the exercises of chapter 7 are refused, the book's own are accepted."""

from exercises import verify

WRONG = {
    "ex-equi-invariant": [
        'classifier, robot, source = "equivariant", "equivariant", "equivariant"',
        'classifier, robot, source = "invariant", "invariant", "equivariant"',
        'classifier, robot, source = "invariant", "equivariant", "invariant"',
        'classifier, robot, source = "yes", "no", "both"',
    ],
    "ex-equi-phase": [
        "def rho(s):\n    return torch.exp(2j * math.pi * s * torch.arange(n) / n)",  # the other direction
        "def rho(s):\n    return torch.exp(-2j * math.pi * torch.arange(n) / n)",  # s forgotten
        "def rho(s):\n    return torch.exp(-1j * s * torch.arange(n) / n)",  # 2π forgotten
        "def rho(s):\n    return s * torch.exp(-2j * math.pi * torch.arange(n) / n)",
        "def rho(s):\n    return torch.exp(torch.tensor(-2j * math.pi * s / n))",  # one number for all
        "def rho(s):\n    return torch.exp(-2j * math.pi * abs(s) * torch.arange(n) / n)",
    ],
    "ex-equi-mig": ["expected_mig = 1 / 3", "expected_mig = 1.0", "expected_mig = 2 * math.log(2)", "expected_mig = 0.5"],
}


def test_exercises():
    verify("07_equivariance", WRONG)
