"""Assignment 3: the solution passes, wrong answers to every task do not, and the values in its visible tests come out in another way."""

import torch
from torch.distributions import MultivariateNormal, Normal

from assignments import HIDDEN, verify
from flowlib import data, training, transport
from flowlib.teaching.sources import sources

NAME = "3_latent_flows"

CARRY = (
    "def carry(u, z, log_q, steps):\n    for t in range({first}, steps + {first}):\n        H = transport.hessian(u, z, t)\n"
    "        there = z + transport.gradient_of(u)(z, t)\n        log_q = log_q {sign} ({change})\n        z = there\n    return z, log_q"
)


def carry(change="torch.linalg.slogdet(torch.eye(z.shape[1]) + H).logabsdet", sign="-", first=1):
    return CARRY.format(change=change, sign=sign, first=first)


def inverse(repetitions=120, place="z", start="z"):
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
TRACE = (
    "H = trained.flow({}, {}, hessian=True).hessian\ntr = H.diagonal(dim1=-2, dim2=-1).sum(-1)\n"
    "log = torch.linalg.slogdet(torch.eye(32) + H).logabsdet\nexcess = ({}).sum(1).mean()"
)

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
        (
            "def marginal(x, m, v, b, D, s):\n    first = -0.5 * math.log(2 * math.pi * 1.25) - 1.2**2 / 2.5\n"
            "    return first if len(x) == 1 else -3.488215",
            HIDDEN,
        ),
    ],
    "path": [
        (path(spread="(1 + a) ** 2 * v"), None),
        (path(action="((a * m + b) ** 2 + a**2 * v) / (2 * D)"), None),
        (path(action="(a * m + b) ** 2 / (4 * D)"), None),
        (path(spread="v + 2 * D"), None),
        (path(action="((a * m + b) ** 2 + a**2 * v) / 2"), HIDDEN),
        (path(spread="(1 + a) ** 2 * v + 1"), HIDDEN),
        ("def path(x, m, v, a, b, D, s):\n    return -4.066951 if a else -3.746951", HIDDEN),
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
        ("def least_eigenvalue(model, z, factor, steps):\n    return torch.tensor(0.0787)", HIDDEN),
        (EIGENVALUE.format("3", "torch.linalg.eigvalsh(torch.eye(z.shape[1]) + H).min()"), HIDDEN),
    ],
    "trace": [
        (TRACE.format("own_codes", "own_factor, 8", "log - tr"), None),
        (TRACE.format("own_codes", "own_factor, 8", "tr"), None),
        (TRACE.format("own_codes", "own_factor, 8", "(tr - log) / 8"), None),
        (TRACE.format("own_codes", "own_factor, 8", "4 * (tr - log)"), None),
        (TRACE.format("own_codes", "own_factor, 7", "tr - log"), HIDDEN),
        (TRACE.format("*own_case('somebody else')", "8", "tr - log"), HIDDEN),
    ],
}  # fmt: skip


def test_assignment():
    transport.hessian(lambda z, t: z.sum(1), torch.zeros(1, 1), 0.0)  # torch sets something up at its first one; the forks need not
    verify(NAME, WRONG)


def test_values_in_visible_tests():
    """By quadrature over the latent plane and by the Jacobian of a step; the solutions use closed forms."""
    torch.set_default_dtype(torch.float64)
    source = sources()[NAME].read_text()
    line = torch.linspace(-13.0, 13.0, 1301)
    cell = line[1] - line[0]

    def normal(value, mean, variance):
        return Normal(mean, variance**0.5).log_prob(torch.as_tensor(value))

    frames = [(1.2, 0.96, 1.0), (1.5, 1.26, 1.2)]  # frame, mean of q_t, variance of p_t
    marginal = 0.0
    for frame, mean, prior in frames:
        log_q = normal(line, mean, 0.2)
        marginal += (log_q.exp() * (normal(frame, line, 0.25) + normal(line, 0.0, prior) - log_q)).sum() * cell
    assert f"{marginal:.6f}" in source

    x, (z0, z1) = (1.0, 2.0), torch.meshgrid(line, line, indexing="ij")
    evidence = MultivariateNormal(torch.zeros(2), torch.tensor([[2.0, 1.0], [1.0, 3.0]])).log_prob(torch.tensor(x))
    assert f"evidence = torch.tensor([1.0, 2.0]), {evidence:.6f}" in source
    joint = normal(z0, 0.0, 1.0) + normal(z1, z0, 1.0) + normal(x[0], z0, 1.0) + normal(x[1], z1, 1.0)
    for a in (0.0, 0.4):
        log_q = normal(z0, 0.5, 0.5) + normal(z1, z0 + a * z0 + 0.75, 1.0)
        bound = (log_q.exp() * (joint - log_q)).sum() * cell**2
        assert bound < evidence and f"path(x, 0.5, 0.5, {a}, 0.75, 0.5, 1.0)" in source and f"{bound:.6f}, 1e-5" in source

    model, config = training.load_model(data.data_folder() / "checkpoints" / "tutorial-mnist.safetensors")
    model = model.double()
    with torch.no_grad():
        z = model.encode(data.load_sequences(config, "test").first_frames(range(5)).double()).mean
    least = []
    for t in (1, 2, 3):
        steps = [torch.func.jacfwd(lambda z, t=t: model.transport(z[None], 0, 1, first=t)[0, 1])(one) for one in z]
        least.append(min(torch.linalg.eigvals(step).real.min() for step in steps))
        z = model.transport(z, 0, 1, first=t)[:, 1].detach()
    assert f"close(found, {min(least):.4f}, 1e-3)" in source and least[0] - min(least) > 0.01
