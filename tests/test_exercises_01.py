"""Wrong answers to the exercises of chapter 1 are refused, the book's own are accepted."""

from exercises import verify

MIDPOINT = "def midpoint(v, z, t, length): return {}\norder = 2"
HALF = "z + length / 2 * v(z, t)"

WRONG = {
    "ex-moving-student": [
        "student = gather",
        "student = lambda z, t: z @ torch.tensor([[1.0, 0.0], [0.0, -0.5]])",
        "student = lambda z, t: torch.ones_like(z)",
        "student = lambda z, t: stir(z, t) + t * gather(z, t)",
        "student = lambda z, t: z[:, 0]",
    ],
    "ex-moving-linear": [
        "by_determinant, by_divergence = -torch.linalg.slogdet(torch.eye(3) + B).logabsdet, -B.trace()",
        "by_determinant, by_divergence = torch.linalg.slogdet(torch.linalg.matrix_exp(B)).logabsdet, B.trace()",
        "by_determinant, by_divergence = 0.6, -B.sum()",
        "by_determinant, by_divergence = -torch.linalg.det(torch.linalg.matrix_exp(B)), 0.6",
    ],
    "ex-moving-midpoint": [
        MIDPOINT.format("z + length * v(z, t)"),
        MIDPOINT.format(f"z + length * v({HALF}, t)"),
        MIDPOINT.format(f"z + length * v({HALF}, t + length)"),
        MIDPOINT.format("z + length / 2 * (v(z, t) + v(z + length * v(z, t), t + length))"),
        MIDPOINT.format(f"{HALF} + length / 2 * v({HALF}, t + length / 2) + 0.01 * length"),
        MIDPOINT.format(f"z + length * v({HALF}, t + length / 2)").replace("order = 2", "order = 1"),
    ],
    "ex-moving-cut": [
        "cutter = lambda z, t: 5 * z[:, 0]",
        "cutter = lambda z, t: 0.1 * torch.log(torch.cosh(4 * z[:, 0]))",
        "cutter = lambda z, t: -0.5 * torch.log(torch.cosh(4 * z[:, 0]))",
        "cutter = lambda z, t: 0.5 * torch.log(torch.cosh(4 * z))",
        "cutter = lambda z, t: -0.3 * torch.cos(5 * z[:, 0])",
        "cutter = lambda z, t: 0.5 * torch.log(torch.cosh(4 * z)).sum(1)",
    ],
}


def test_exercises():
    verify("01_moving_probability", WRONG)
