"""Assignment 3: the solution passes, wrong answers to every task do not."""

from assignments import HIDDEN, verify

CARRY = (
    "def carry(u, z, log_q, steps):\n    for t in range({first}, steps + {first}):\n        H = transport.hessian(u, z, t)\n"
    "        there = z + transport.gradient_of(u)(z, t)\n        log_q = log_q {sign} ({change})\n        z = there\n    return z, log_q"
)


def carry(change="torch.linalg.slogdet(torch.eye(z.shape[1]) + H).logabsdet", sign="-", first=1):
    return CARRY.format(change=change, sign=sign, first=first)


def inverse(repetitions=400, place="z", start="z"):
    return (
        "def log_density_at(u, log_q, y):\n    v, z = (lambda z, t: u(z)), y\n"
        f"    for _ in range({repetitions}):\n        z = y - transport.gradient_of(v)(z, 0.0)\n"
        f"    H = transport.hessian(v, {place}, 0.0)\n"
        f"    return log_q({start}) - torch.linalg.slogdet(torch.eye(y.shape[1]) + H).logabsdet"
    )


def marginal(mean="m + t * b", prior="1 + 2 * D * t", fit="((x - mean) ** 2 + v)", log="- torch.log(v / prior)", sign="-"):
    return (
        f"def marginal(x, m, v, b, D, s):\n    t = torch.arange(len(x))\n    mean, prior = {mean}, {prior}\n"
        f"    fit = -0.5 * math.log(2 * math.pi * s**2) - {fit} / (2 * s**2)\n"
        f"    return (fit {sign} 0.5 * ((v + mean**2) / prior - 1 {log})).sum()"
    )


def path(action="((a * m + b) ** 2 + a**2 * v) / (4 * D)", spread="(1 + a) ** 2 * v + 2 * D", end=""):
    return (
        "def path(x, m, v, a, b, D, s):\n    bound = -0.5 * (v + m**2 - 1 - math.log(v))\n    for t, frame in enumerate(x):\n"
        f"        if t:\n            bound = bound - {action}\n            m, v = (1 + a) * m + b, {spread}\n"
        "        bound = bound - 0.5 * math.log(2 * math.pi * s**2) - ((frame - m) ** 2 + v) / (2 * s**2)\n"
        f"    return bound{end}"
    )


EIGENVALUE = "def least_eigenvalue(model, z, factor, steps):\n    H = model.flow(z, factor, {}, hessian=True).hessian\n    return {}"

WRONG = {
    "carry": [
        (carry(sign="+"), None),
        (carry("H.diagonal(dim1=1, dim2=2).sum(1)"), None),
        (carry("(1 + H.sum(2)).abs().log().sum(1)"), None),
        (carry(first=0), None),
        (carry("torch.linalg.slogdet(torch.eye(z.shape[1]) + transport.hessian(u, there, t + 1)).logabsdet"), None),
        (carry("torch.logdet(torch.eye(z.shape[1]) + H)"), HIDDEN),
        (carry("torch.linalg.slogdet(torch.eye(z.shape[1]) + transport.hessian(u, there, t)).logabsdet"), HIDDEN),
    ],
    "inverse": [
        (inverse(0), None),
        (inverse(1), None),
        (inverse(place="y"), None),
        (inverse(start="y"), None),
        (inverse(30), HIDDEN),
    ],
    "marginal": [
        (marginal(sign="+"), None),
        (marginal(fit="(x - mean) ** 2"), None),
        (marginal(log="+ torch.log(v / prior)"), None),
        (marginal(mean="m + 0 * t"), None),
        (marginal(prior="1 + D * t"), None),
        (marginal(prior="1 + 2 * D * (t > 0)"), HIDDEN),
    ],
    "path": [
        (path(spread="(1 + a) ** 2 * v"), None),
        (path(action="((a * m + b) ** 2 + a**2 * v) / (2 * D)"), None),
        (path(action="(a * m + b) ** 2 / (4 * D)"), None),
        (path(spread="v + 2 * D"), None),
        (path(action="((a * m + b) ** 2 + a**2 * v) / 2"), HIDDEN),
        (path(spread="(1 + a) ** 2 * v + 1"), HIDDEN),
    ],
    "statements": [
        ("true_ones = 'abd'", None),
        ("true_ones = {'a', 'b'}", HIDDEN),
        ("true_ones = set('abcdef')", HIDDEN),
    ],
    "eigenvalue": [
        (EIGENVALUE.format("steps", "torch.linalg.eigvalsh(H).min()"), None),
        (EIGENVALUE.format("steps", "torch.linalg.eigvalsh(torch.eye(z.shape[1]) + H).max()"), None),
        (EIGENVALUE.format("steps", "torch.linalg.eigvalsh(torch.eye(z.shape[1]) + H)[:, 0].min()"), None),
        ("def least_eigenvalue(model, z, factor, steps):\n    return torch.tensor(0.0559)", HIDDEN),
        (EIGENVALUE.format("2", "torch.linalg.eigvalsh(torch.eye(z.shape[1]) + H).min()"), HIDDEN),
    ],
}  # fmt: skip


def test_assignment():
    verify("3_latent_flows", WRONG)
