"""Assignment 1: the solution passes, wrong answers to every task do not."""

from assignments import HIDDEN, verify

WRONG = {
    "velocity": [
        ("velocity = None", None),
        ("def velocity(cdf, x, t):\n    raise NotImplementedError()", None),
        (
            "def velocity(cdf, x, t):\n"
            "    x, t = x.clone().requires_grad_(), torch.full_like(x, t).requires_grad_()\n"
            "    density, rate = torch.autograd.grad(cdf(x, t).sum(), (x, t))\n"
            "    return rate / density", None),
        (
            "def velocity(cdf, x, t):\n"
            "    x, t = x.clone().requires_grad_(), torch.full_like(x, t).requires_grad_()\n"
            "    return -torch.autograd.grad(cdf(x, t).sum(), t)[0]", None),
        ("def velocity(cdf, x, t):\n    return 0.8 + 0.5 * (x - 0.8 * t)", HIDDEN),
    ],
    "door": [
        ("def passed(m, s, c, T, door):\n    return 2.0", None),
        ("def passed(m, s, c, T, door):\n    n = lambda z: normal_cdf(torch.tensor(z))\n    return n((door * 2.718281828459045 ** (-c * T) - m) / s) - n((door - m) / s)", None),
        ("def passed(m, s, c, T, door):\n    n = lambda z: normal_cdf(torch.tensor(z))\n    return n((door - m) / s) - n((door * 2.718281828459045 ** (c * T) - m) / s)", None),
        ("def passed(m, s, c, T, door):\n    return 0.479516", HIDDEN),
        ("def passed(m, s, c, T, door):\n    n = lambda z: normal_cdf(torch.tensor(z))\n    return abs(n((door * 2.718281828459045 ** (-c * T) - m) / s) - n((door - m) / s))", HIDDEN),
    ],
    "fold": [
        ("def folded(p, c, y):\n    s = (c**2 + 4 * y).sqrt()\n    return p((c + s) / 2) / s", None),
        ("def folded(p, c, y):\n    s = (c**2 + 4 * y).sqrt()\n    return p((c + s) / 2) + p((c - s) / 2)", None),
        ("def folded(p, c, y):\n    s = (c**2 + 4 * y).sqrt()\n    return 2 * p((c + s) / 2) / s", HIDDEN),
        ("def folded(p, c, y):\n    return (p(y.sqrt()) + p(-y.sqrt())) / (2 * y.sqrt())", HIDDEN),
    ],
    "piles": [
        ("def cost_1d(x, a, y, b):\n    return ((a @ x) - (b @ y)) ** 2", None),
        ("def cost_1d(x, a, y, b):\n    return transport.w2_1d(x, y)", None),
        ("def cost_1d(x, a, y, b):\n    return (a[:, None] * b * (x[:, None] - y) ** 2).sum()", None),
        ("def cost_1d(x, a, y, b):\n    assert len(x) < 100\n    return transport.optimal_coupling(x[:, None], y[:, None], a, b)[1]\n# raises", HIDDEN),
    ],
    "round": [
        ("def nearest_radius(S):\n    return (S.trace() / len(S)).sqrt()", None),
        ("def nearest_radius(S):\n    return torch.linalg.eigvalsh(S).sqrt().sum()", None),
        ("def nearest_radius(S):\n    return torch.linalg.det(S) ** (0.5 / len(S))", None),
        ("def nearest_radius(S):\n    return torch.linalg.eigvalsh(S).sqrt().sum() / 2", HIDDEN),
    ],
    "linear": [
        ("def is_optimal(A):\n    return True", None),
        ("def is_optimal(A):\n    return torch.equal(A, A.mT)", None),
        ("def is_optimal(A):\n    return bool((torch.linalg.eigvalsh(A + A.mT) > 1e-6).all())", HIDDEN),
        ("def is_optimal(A):\n    return bool((A - torch.diag(A.diag())).abs().max() == 0 and A.diag().min() > 0)", HIDDEN),
        ("def is_optimal(A):\n    return torch.linalg.det(A) > 0 and A[0, 1] == A[1, 0]", HIDDEN),
    ],
    "gap": [
        ("def gap(cost, plan, f):\n    g = (cost - f[:, None]).amax(0)\n    return (plan * cost).sum() - plan.sum(1) @ f - plan.sum(0) @ g", None),
        ("def gap(cost, plan, f):\n    g = (cost + f[:, None]).amin(0)\n    return (plan * cost).sum() - plan.sum(1) @ f - plan.sum(0) @ g", None),
        ("def gap(cost, plan, f):\n    g = (cost - f[:, None]).amin(0)\n    return (plan * cost).sum() - plan.sum() * (f.mean() + g.mean())", None),
        ("def gap(cost, plan, f):\n    return torch.tensor(1.1) if len(f) == 2 else torch.tensor(0.0)", HIDDEN),
    ],
    "detour": [
        ("detour = -detour if detour else -1.0", None),
        ("la, lb = (torch.linalg.cholesky(c.covariance) for c in (p, q))\n"
         "detour = p.covariance.trace() + q.covariance.trace() - 2 * (lb @ la.mT).trace() + (p.mean - q.mean).square().sum()", None),
        ("a, b = own_clouds('somebody else')\nla, lb = (torch.linalg.cholesky(c.covariance) for c in (a, b))\n"
         "detour = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * (lb @ la.mT).trace() - transport.gaussian_w2(a, b)", None),
        ("la, lb = (torch.linalg.cholesky(c.covariance) for c in (p, q))\n"
         "detour = (p.mean - q.mean).square().sum() + p.covariance.trace() + q.covariance.trace() - 2 * (lb @ la.mT).trace() - transport.gaussian_w2(p, q) + 0.002", HIDDEN),
    ],
}  # fmt: skip


def test_assignment():
    verify("1_transport", WRONG)
