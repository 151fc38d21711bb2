"""Wrong answers to the exercises of chapter 15 are refused, the book's own are accepted."""

from exercises import verify

GATE = "def best_gate(gain, mean, std, activity):\n    slab = 0.5 * (mean**2 + std**2 - 1) - math.log(std)\n    return {}\nneeded = {}"
RIGHT, NEEDED = "1 / (1 + math.exp(slab - gain - math.log(activity / (1 - activity))))", "0.005 + math.log(10) + math.log(9)"
SPLIT = "def split(M):\n    return {}\nboth = {}"
SADDLE = "torch.tensor([[1.0, 0.0], [0.0, -1.0]])"
SPIRAL = "def explained(omega, c, r):\n    return {}"
WRONG = {
    "ex-sparse-price": [
        GATE.format("1 / (1 + math.exp(slab - gain))", NEEDED),  # without the prior
        GATE.format("1 / (1 + math.exp(-gain - math.log(activity / (1 - activity))))", NEEDED),  # without the slab
        GATE.format("1 / (1 + math.exp(gain - slab - math.log(activity / (1 - activity))))", NEEDED),  # sign
        GATE.format("1 / (1 + math.exp(slab - gain - math.log(activity)))", NEEDED),
        GATE.format("slab - gain", NEEDED),
        GATE.format(RIGHT, "0.005 + math.log(10)"),  # without the prior's coin
        GATE.format(RIGHT, "0.005 - math.log(10) + math.log(9)"),
        GATE.format(RIGHT, "math.log(9)"),
    ],
    "ex-sparse-both": [
        SPLIT.format("(M + M.mT) / 2, (M.mT - M) / 2", SADDLE),  # sign
        SPLIT.format("M + M.mT, M - M.mT", SADDLE),
        SPLIT.format("torch.diag(M.diagonal()), M - torch.diag(M.diagonal())", SADDLE),  # divergence-free, not antisymmetric
        SPLIT.format("(M + M.mT) / 2, (M - M.mT) / 2", "torch.eye(2)"),  # a divergence
        SPLIT.format("(M + M.mT) / 2, (M - M.mT) / 2", "torch.tensor([[0.0, 1.0], [-1.0, 0.0]])"),  # no gradient
        SPLIT.format("(M + M.mT) / 2, (M - M.mT) / 2", "torch.zeros(2, 2)"),
    ],
    "ex-sparse-spiral": [
        SPIRAL.format("c / (c + omega * r)"),
        SPIRAL.format("c**2 / (c**2 + omega**2)"),  # the speed around is ω r
        SPIRAL.format("omega**2 * r**2 / (c**2 + omega**2 * r**2)"),  # the other part
        SPIRAL.format("c**2 / (c**2 + omega * r**2)"),
        SPIRAL.format("c**2 * r**2 / (c**2 * r**2 + omega**2)"),
    ],
}


def test_exercises():
    verify("15_without_labels", WRONG)
