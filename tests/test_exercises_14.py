"""Wrong answers to the exercises of chapter 14 are refused, the book's own are accepted."""

from exercises import verify

POLAR = "def optimal_part(M):\n    return {}\ndef waste(M):\n    return {}"
ROOT, WASTE = "transport.square_root(M @ M.mT)", "2 * transport.square_root(M @ M.mT).trace() - 2 * M.trace()"
STEP = "def step(z, lam, c, D):\n    v = 1 / (1 / (2 * D) + lam)\n    return {}, {}"
WRONG = {
    "ex-optimal-angle": [
        "def largest_angle(p):\n    return math.acos(2 / (p + 1 / p))",  # radians
        "def largest_angle(p):\n    return math.degrees(math.acos(1 / (p + 1 / p)))",  # the trace above 1
        "def largest_angle(p):\n    return math.degrees(math.asin(2 / (p + 1 / p)))",
        "def largest_angle(p):\n    return math.degrees(math.atan(p)) - 45",  # half of it
        "largest_angle = lambda p: 56.6",  # right for one stretch
    ],
    "ex-optimal-polar": [
        POLAR.format("transport.square_root(M.mT @ M)", WASTE),  # the other polar factor
        POLAR.format("(M + M.mT) / 2", WASTE),
        POLAR.format("M @ M.mT", WASTE),
        POLAR.format("torch.linalg.cholesky(M @ M.mT)", WASTE),  # moves to the same density, not optimally
        POLAR.format(ROOT, "(M - optimal_part(M)).square().sum()"),
        POLAR.format(ROOT, "optimal_part(M).trace() - M.trace()"),  # factor 2
        POLAR.format(ROOT, "2 * M.trace() - 2 * optimal_part(M).trace()"),  # sign
    ],
    "ex-optimal-width": [
        STEP.format("v * (z / (2 * D) + lam * c)", "2 * D"),  # the prior's width
        STEP.format("v * (z / (2 * D) + lam * c)", "2 * D * v"),
        STEP.format("z + 2 * D * lam * (c - z)", "v"),  # the drift at the end of the step
        STEP.format("z - v * lam * (c - z)", "v"),  # sign
        "def step(z, lam, c, D):\n    v = 1 / (1 / 0.6 + lam)\n    return v * (z / 0.6 + lam * c), v",  # whatever D
        "def step(z, lam, c, D):\n    v = 1 / (1 / D + lam)\n    return v * (z / D + lam * c), v",  # variance D for 2D
    ],
}


def test_exercises():
    verify("14_optimal_by_construction", WRONG)
