"""Assignment 2: the solution passes, wrong answers to every task do not."""

from assignments import HIDDEN, verify


def quadratic(shrink="torch.linalg.inv(torch.eye(len(A)) + t * A)", matrix="A @ s", vector="s @ b", constant="- 0.5 * t * (b @ s @ b)"):
    return f"def potential(A, b, z, t):\n    s = {shrink}\n    return 0.5 * ((z @ ({matrix})) * z).sum(1) + z @ ({vector}) {constant}"


def accelerated(residual):
    return (
        "def acceleration(u, z, t):\n    z, t = z.clone().requires_grad_(), torch.full((len(z),), t).requires_grad_()\n"
        "    v, rate = torch.autograd.grad(u(z, t).sum(), (z, t), create_graph=True)\n"
        f"    return torch.autograd.grad(({residual}).sum(), z)[0]"
    )


RING = (
    "def best_ring(z, w):\n    C = transport.squared_distances(z, w)\n    n = range(len(z))\n"
    "    return max(C[i, i] + C[j, j] + C[k, k] - C[i, j] - C[j, k] - C[k, i] for i in n for j in n for k in n if {})"
)
LEDGER = (
    "def ledger(path):\n    s = path.diff(dim=1).norm(dim=-1)\n    chord = (path[:, -1] - path[:, 0]).square().sum(-1)\n"
    "    length, action = s.sum(1) ** 2, s.shape[1] * (s**2).sum(1)\n    return {}"
)
WASTED = (
    "times = (torch.arange({}) + 0.5) / {}\nflows = torch.linalg.matrix_exp(times[:, None, None] * B)\n"
    "action = (B @ flows @ S @ flows.mT @ B.mT).diagonal(dim1=1, dim2=2).sum(1).mean()\nend = torch.linalg.matrix_exp(B)\n"
    "least = transport.gaussian_w2(*(transport.Gaussian(torch.zeros(2), c) for c in (S, end @ S @ end.mT)))\nwasted = {}"
)

WRONG = {
    "potential": [
        (quadratic("torch.linalg.inv(torch.eye(len(A)) - t * A)"), None),
        (quadratic("torch.eye(len(A))"), None),
        (quadratic(constant=""), None),
        (quadratic(constant="+ 0.5 * t * (b @ s @ b)"), None),
        (quadratic(constant="- 0.5 * t * (b @ b)"), None),
        (quadratic("torch.linalg.inv(torch.eye(2) + t * A)") + "\n# raises", HIDDEN),
    ],
    "ring": [
        (RING.format("i < j"), None),
        (RING.format("True"), None),
        (RING.format("len({i, j, k}) == 3").replace("return max", "return 0.5 * max"), None),
        (RING.format("i < j < k"), None),
        (RING.format("i > j > k"), HIDDEN),
    ],
    "acceleration": [
        (accelerated("rate"), None),
        (accelerated("rate + v.square().sum(1)"), None),
        (accelerated("-rate - 0.5 * v.square().sum(1)"), None),
        ("def acceleration(u, z, t):\n    t = torch.tensor(t)\n    return (t.cos() + t.sin() ** 2) * z", HIDDEN),
    ],
    "ledger": [
        (LEDGER.format("chord.mean(), (action - length).mean(), (length - chord).mean()"), None),
        (LEDGER.format("chord.mean(), (action - chord).mean(), 0.0"), None),
        (LEDGER.format("chord.mean(), s.sum(1).mean() ** 2 - chord.mean(), action.mean() - s.sum(1).mean() ** 2"), None),
        (LEDGER.format("chord.mean(), (length - chord).mean(), (2 * (s**2).sum(1) - length).mean()"), HIDDEN),
    ],
    "gauge": [
        ("def least_penalty(r):\n    return r.var(unbiased=False)", None),
        ("def least_penalty(r):\n    return r.var(0).mean()", None),
        ("def least_penalty(r):\n    return r.clamp(min=0).square().mean()", None),
        ("def least_penalty(r):\n    return (r - (r.amin(0) + r.amax(0)) / 2).square().mean()", HIDDEN),
    ],
    "wasted": [
        (WASTED.format(1000, 1000, "action"), None),
        (WASTED.format(1000, 1000, "least - action"), None),
        (WASTED.format(1000, 1000, "(action - least) / 2"), None),
        (WASTED.format(1000, 1000, "action - least + 3e-4"), HIDDEN),
    ],
}  # fmt: skip


def test_assignment():
    verify("2_potential_flows", WRONG)
