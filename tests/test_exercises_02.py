"""Wrong answers to the exercises of chapter 2 are refused, the book's own are accepted."""

from exercises import verify

SWAPS = """
def bad_swaps(cost, columns):
    matched = cost[:, columns]
    now = matched.diagonal()
    gain = now[:, None] + now - matched - matched.T
    return int(({}).sum())
always_optimal = {}
"""
DIVERGENCE = """
def sinkhorn_divergence(x, y, eps):
    cost = lambda p, q: transport.sinkhorn_coupling(p, q, eps).{}
    return {}
"""

WRONG = {
    "ex-ot-shift": ["answer = 28 + 136", "answer = 28 + 2 * 15 + 136", "answer = 28 - 15 + 136", "answer = 28 - 30", "answer = 134.1"],
    "ex-ot-swaps": [
        SWAPS.format("gain.triu(1) > -1e-12", False),
        SWAPS.format("gain > 1e-12", False),
        SWAPS.format("gain.triu(1) > 1e-12", True),
        SWAPS.format("gain.triu(1) >= 0", False),
        SWAPS.format("gain.triu(1) < -1e-12", False),
        SWAPS.format("gain.triu(1) > 1e-12", False).replace("cost[:, columns]", "cost[columns]"),
        SWAPS.format("gain.triu(1) > 1e-12", False).replace("cost[:, columns]", "cost"),
    ],
    "ex-ot-divergence": [
        DIVERGENCE.format("entropic_cost", "cost(x, y)"),
        DIVERGENCE.format("entropic_cost", "cost(x, y) - cost(x, x) - cost(y, y)"),
        DIVERGENCE.format("entropic_cost", "cost(x, y) - cost(x, x)"),
        DIVERGENCE.format("transport_cost", "cost(x, y) - cost(x, x) / 2 - cost(y, y) / 2"),
        "def sinkhorn_divergence(x, y, eps): return transport.optimal_coupling(x, y)[1]",
    ],
    "ex-ot-neighbours": ["answer = 2", "answer = 8", "answer = 0"],
}


def test_exercises():
    verify("02_optimal_transport", WRONG, {"ex-ot-neighbours": "answer = 4.0"})  # the solution's cells are an experiment
