# %% [markdown]
# # Assignment 1: Moving and matching mass
#
# You will find the velocity behind a moving density, count what passes through a door, fold a line, and prove that a plan of transport is
# nearly the best one. It belongs to chapters 1 and 2 of the book. Plan 100 minutes. 20 points.
#
# How it works: replace each `raise NotImplementedError()` by your answer, then run the test below it. A test that is not
# satisfied says in one sentence where to look. When your notebook is graded, the same tests run again with other numbers, so write functions
# that hold in general. All numbers are double precision (`torch.float64`). Cells with tests are restored before grading: there
# is no use in changing them. The last cell lists what is still open.

# %% locked="imports"
import torch
from flowlib import teaching, transport

torch.set_default_dtype(torch.float64)
normal_cdf = torch.special.ndtr    # Φ, the distribution function of N(0, 1)

# %%
STUDENT = "your id"    # the id under which you hand in, in quotation marks: it draws data that are yours alone

# %% [markdown]
# ## 1 · The velocity behind a density (3 points)
#
# On the line there is exactly one velocity that moves a given positive density $p(x, t)$, because no mass can come around from the other side.
# Integrate the continuity equation $\partial_t p + \partial_x (p\,v) = 0$ from $-\infty$ to $x$, and you have $v$ in terms of the
# distribution function $F(x, t) = \int_{-\infty}^x p\,dx'$.
#
# Write `velocity(cdf, x, t)`: `cdf(x, t)` computes $F$ for tensors `x` and `t` of the same shape by torch functions; `x` has the shape (N,), `t` is
# one number. Return $v(x, t)$, of the shape (N,). Let autograd differentiate.

# %% answer="velocity"
def velocity(cdf, x, t):
    ### BEGIN SOLUTION
    x, t = x.detach().clone().requires_grad_(), torch.full_like(x, float(t)).requires_grad_()
    density, rate = torch.autograd.grad(cdf(x, t).sum(), (x, t))
    return -rate / density
    ### END SOLUTION

# %% test="velocity" points=3
# Checks the velocity of a Gaussian that drifts and widens; when graded, of densities of other shapes.
from flowlib.teaching import close, graded

@graded("velocity", velocity=velocity)
def _(velocity):
    x, t, drift, rate = torch.linspace(-1.0, 3.0, 9), 0.7, 0.8, 0.5
    found = velocity(lambda x, t: normal_cdf((x - drift * t) * torch.exp(-rate * t)), x, t)
    truth = drift + rate * (x - drift * t)
    yield found.shape == x.shape, "Return one velocity for each place, in the shape of x."
    yield not close(found, -truth, 1e-6), "Mass to the left of x grows when mass comes in from the right: look at the sign."
    yield close(found, truth, 1e-6), "What you integrate is the flux p·v: how do you come from the flux to the velocity?"
### BEGIN HIDDEN TESTS
@graded("velocity", velocity=velocity)
def _(velocity):
    x, t = torch.linspace(-2.0, 2.0, 11), 0.9
    found = velocity(lambda x, t: torch.sigmoid((x - torch.sin(t)) / (1 + t**2)), x, t)
    truth = torch.cos(torch.tensor(t)) + 2 * t / (1 + t**2) * (x - torch.sin(torch.tensor(t)))
    yield close(found, truth, 1e-6), "It fails for a density that is not Gaussian: use nothing but F."
    x = torch.linspace(0.2, 3.0, 11)
    found = velocity(lambda x, t: 1 - torch.exp(-(x ** (1 + t))), x, t)
    yield close(found, -x * x.log() / (1 + t), 1e-6), "It fails for a density that changes its shape: use nothing but F."
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · Through a door (2 points)
#
# A cloud starts as $\mathcal N(m, s^2)$ on the line and moves with $v(x) = c\,x$. There is a door at the place `door`. Write
# `passed(m, s, c, T, door)`: the share of the whole mass that passes the door from left to right between the times 0 and $T$, less the share that
# passes it from right to left. The arguments are numbers, so is the result. (`normal_cdf` wants a tensor.) You need
# no integral over time.

# %% answer="door"
def passed(m, s, c, T, door):
    ### BEGIN SOLUTION
    c, T = torch.tensor(float(c)), torch.tensor(float(T))
    start = door * torch.exp(-c * T)                    # who starts here is at the door at time T
    return normal_cdf((door - m) / torch.tensor(s)) - normal_cdf((start - m) / s)
    ### END SOLUTION

# %% test="door" points=2
# Checks the balance of a cloud that spreads; when graded, of clouds that contract and of doors on the other side.
from flowlib.teaching import close, graded

@graded("door", passed=passed)
def _(passed):
    found, truth = torch.as_tensor(passed(1.0, 0.5, 0.6, 1.0, 1.5)), 0.479516
    yield not close(found, -truth, 1e-4), "From left to right counts as positive."
    yield found.abs() <= 1, "A share cannot be more than all the mass."
    yield close(found, truth, 1e-4), "Where were those who are at the door at time T, when they started?"
### BEGIN HIDDEN TESTS
def share_right(m, s, c, T, door):
    levels = (torch.arange(200_000) + 0.5) / 200_000
    return ((m + s * torch.special.ndtri(levels)) * torch.exp(torch.tensor(c * T)) > door).double().mean()

@graded("door", passed=passed)
def _(passed):
    for m, s, c, T, door in [(1.0, 0.5, -0.8, 0.5, 0.9), (-0.4, 1.3, 0.7, 1.7, -0.8), (0.3, 0.9, 1.1, 0.4, 0.0)]:
        truth = share_right(m, s, c, T, door) - share_right(m, s, 0.0, T, door)
        yield close(torch.as_tensor(passed(m, s, c, T, door)), truth, 1e-4), "It fails for another cloud, time or door."
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · A folded line (3 points)
#
# $g(z) = z^2 - c\,z$ folds the line: the formula for the density of an image, which wants an injective map, does not hold as it stands.
# Write `folded(p, c, y)`: the density of $g(z)$ at the places `y` of the shape (N,), all above the fold $-c^2/4$, where $z$ has the density `p(z)`.

# %% answer="fold"
def folded(p, c, y):
    ### BEGIN SOLUTION
    slope = (c**2 + 4 * y).sqrt()                       # |g'| at both of the places that g sends to y
    return (p((c + slope) / 2) + p((c - slope) / 2)) / slope
    ### END SOLUTION

# %% test="fold" points=3
# Checks the density of a squared Gaussian; when graded, other densities and folds.
from flowlib.teaching import close, graded

@graded("fold", folded=folded)
def _(folded):
    y = torch.linspace(0.1, 4.0, 12)
    found = folded(lambda z: torch.exp(-(z**2) / 2) / (2 * torch.pi) ** 0.5, 0.0, y)
    truth = torch.exp(-y / 2) / (2 * torch.pi * y).sqrt()    # the square of a standard Gaussian: chi-squared
    yield found.shape == y.shape, "Return one density for each y."
    yield not close(found, truth / 2, 1e-6), "How many z are sent to the same y?"
    yield close(found, truth, 1e-6), "Each z that is sent to y brings p(z), spread by the slope of g there."
### BEGIN HIDDEN TESTS
def slope_of_cdf(cdf, c, y, h=1e-5):
    def below(y):
        half = (c**2 / 4 + y).sqrt()
        return cdf(c / 2 + half) - cdf(c / 2 - half)
    return (below(y + h) - below(y - h)) / (2 * h)

@graded("fold", folded=folded)
def _(folded):
    for m, s, c in [(0.7, 0.6, 0.0), (1.0, 0.5, 1.5), (-0.5, 1.2, -0.8)]:
        y = torch.linspace(0.1, 3.0, 12) - c**2 / 4
        found = folded(lambda z: torch.exp(-(((z - m) / s) ** 2) / 2) / (s * (2 * torch.pi) ** 0.5), c, y)
        yield close(found, slope_of_cdf(lambda z: normal_cdf((z - m) / s), c, y), 1e-6), "It fails for a density that is not symmetric about the fold."
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · Piles of unequal grains (3 points)
#
# Two piles on the line: grains at `x` with the masses `a`, and places `y` with the room `b`; both sum to 1, nothing is sorted, and there may be
# more of the one than of the other. Write `cost_1d(x, a, y, b)`, the squared distance $W_2^2$, by quantile functions. 20 000 grains should be
# no trouble, so a linear programme is no answer. (`torch.searchsorted` helps.)

# %% answer="piles"
def cost_1d(x, a, y, b):
    ### BEGIN SOLUTION
    i, j = x.argsort(), y.argsort()
    upto_x, upto_y = a[i].cumsum(0), b[j].cumsum(0)
    levels = torch.cat([upto_x, upto_y]).sort().values
    mass = levels.diff(prepend=torch.zeros(1))
    middle = levels - mass / 2                          # between two levels both quantile functions are constant
    rank_x = torch.searchsorted(upto_x, middle).clamp(max=len(x) - 1)
    rank_y = torch.searchsorted(upto_y, middle).clamp(max=len(y) - 1)
    return (mass * (x[i][rank_x] - y[j][rank_y]) ** 2).sum()
    ### END SOLUTION

# %% test="piles" points=3
# Checks three grains by hand, and a random pair of piles against the linear programme; when graded, larger and uneven ones.
from flowlib.teaching import close, generator, graded

def piles(n, m, seed):
    random = generator(seed, "piles")
    x, y = torch.randn(n, generator=random), 1 + 2 * torch.randn(m, generator=random)
    return x, torch.rand(n, generator=random).add(0.1).softmax(0), y, (3 * torch.rand(m, generator=random)).softmax(0)

@graded("piles", cost_1d=cost_1d)
def _(cost_1d):
    found = cost_1d(torch.tensor([2.0, 0.0]), torch.tensor([0.25, 0.75]), torch.tensor([1.0]), torch.tensor([1.0]))
    yield close(found, 1.0, 1e-9), "Two grains that both go to one place at distance 1 cost 1: do the masses count?"
    found = cost_1d(torch.tensor([2.0, 0.0]), torch.tensor([0.25, 0.75]), torch.tensor([3.0, 0.0]), torch.tensor([0.5, 0.5]))
    yield close(found, 2.5, 1e-9), "A grain may be split: 0.25 of the mass has to go from 0 to 3, and 0.25 from 2 to 3."
    x, a, y, b = piles(6, 9, STUDENT)
    yield close(cost_1d(x, a, y, b), transport.optimal_coupling(x[:, None], y[:, None], a, b)[1], 1e-6), "The cost is not the least: is everything sorted, each mass with its grain?"
### BEGIN HIDDEN TESTS
@graded("piles", cost_1d=cost_1d)
def _(cost_1d):
    for n, m in [(1, 5), (17, 4), (40, 40)]:
        x, a, y, b = piles(n, m, "graded")
        yield close(cost_1d(x, a, y, b), transport.optimal_coupling(x[:, None], y[:, None], a, b)[1], 1e-6), "It fails for piles of other sizes."
    x, a, *_ = piles(20_000, 1, "large")
    mixed = torch.randperm(20_000, generator=generator("large", "order"))
    yield close(cost_1d(x, a, (3 * x - 1)[mixed], a[mixed]), (a * (2 * x - 1) ** 2).sum(), 1e-6), "It fails for 20 000 grains."
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · The nearest round cloud (2 points)
#
# Among the round Gaussians $\mathcal N(0, r^2 I)$, which is nearest to $\mathcal N(0, S)$ in $W_2$? Write `nearest_radius(S)`, the best $r$ for a
# covariance $S$ of the shape (d, d). (It is not the one that has the same total variance.)

# %% answer="round"
def nearest_radius(S):
    ### BEGIN SOLUTION
    return torch.linalg.eigvalsh(S).sqrt().mean()       # W₂² = d r² − 2 r tr √S + tr S
    ### END SOLUTION

# %% test="round" points=2
# Checks that no other radius is nearer, in two dimensions; when graded, in more.
from flowlib.teaching import close, generator, graded

@graded("round", nearest_radius=nearest_radius)
def _(nearest_radius):
    S = torch.tensor([[4.0, 1.0], [1.0, 1.0]])
    found, truth = torch.as_tensor(nearest_radius(S)), 1.454656
    yield not close(found, (S.trace() / 2).sqrt(), 1e-6), "This radius keeps the total variance; write W₂² as a function of r and look for its lowest point."
    yield not close(found, 2 * truth, 1e-5), "How many dimensions share the radius?"
    yield close(found, truth, 1e-5), "Another radius is nearer: write W₂² as a function of r and look for its lowest point."
### BEGIN HIDDEN TESTS
def best_radius(S):
    d = len(S)
    def squared_distance(r):
        return transport.gaussian_w2(transport.Gaussian(torch.zeros(d), r**2 * torch.eye(d)), transport.Gaussian(torch.zeros(d), S))
    one, two, three = (squared_distance(r) for r in (1.0, 2.0, 3.0))    # W₂² is a parabola in r: three values give its lowest point
    return 2 - (three - one) / (2 * (three - 2 * two + one))

@graded("round", nearest_radius=nearest_radius)
def _(nearest_radius):
    for d in (1, 3, 5):
        root = torch.randn(d, d, generator=generator("graded", f"round {d}"))
        S = root @ root.mT + 0.1 * torch.eye(d)
        yield close(torch.as_tensor(nearest_radius(S)), best_radius(S), 1e-6), "It fails in another dimension."
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Which linear maps are optimal? (2 points)
#
# $z \mapsto Az$ moves $\mathcal N(0, I)$ to $\mathcal N(0, AA^\top)$, and so do many other maps. Write `is_optimal(A)`: `True` where
# $z \mapsto Az$ is the cheapest of them, for the squared distance, and `False` where it is not. Brenier's theorem decides. Take $10^{-9}$ as zero.

# %% answer="linear"
def is_optimal(A):
    ### BEGIN SOLUTION
    symmetric = (A - A.mT).abs().max() <= 1e-9          # a gradient …
    return bool(symmetric) and bool(torch.linalg.eigvalsh(A).min() >= -1e-9)    # … of a convex function
    ### END SOLUTION

# %% test="linear" points=2
# Checks a stretching, a rotation and a reflection; when graded, five more kinds of maps.
from flowlib.teaching import graded

@graded("linear", is_optimal=is_optimal)
def _(is_optimal):
    yield is_optimal(torch.diag(torch.tensor([3.0, 0.5]))), "Stretching along the axes is the gradient of a convex function."
    yield not is_optimal(torch.tensor([[0.0, -1.0], [1.0, 0.0]])), "A quarter turn leaves N(0, I) as it is: staying is cheaper."
    yield not is_optimal(torch.diag(torch.tensor([1.0, -1.0]))), "A reflection leaves N(0, I) as it is, too: of which function is it the gradient?"
### BEGIN HIDDEN TESTS
@graded("linear", is_optimal=is_optimal)
def _(is_optimal):
    root = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [0.5, 0.0, 1.0]])
    yield is_optimal(root @ root.mT), "It refuses a map that is optimal, in three dimensions."
    yield is_optimal(torch.diag(torch.tensor([1.0, 0.0]))), "Flattening a direction is optimal."
    yield not is_optimal(torch.tensor([[2.0, 1.0], [0.0, 2.0]])), "It accepts a shear."
    yield not is_optimal(torch.tensor([[1.0, 3.0], [3.0, 1.0]])), "It accepts a map that is a gradient, but of no convex function."
    yield not is_optimal(torch.tensor([[1.0, -0.5], [0.5, 1.0]])), "It accepts a map that is no gradient, although it turns by less than a right angle."
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · A proof that a plan is good (3 points)
#
# Somebody sends you a plan of transport, `plan` (n, m), for the costs `cost` (n, m), and says that it costs at most so much more than the best plan.
# You can check that without looking for the best plan, if a price `f` (n,) for each source comes with it. For *any* `f`, let $g_j = \min_i (C_{ij} - f_i)$: then no
# plan with the same marginals $a$, $b$ costs less than $a \cdot f + b \cdot g$. (Why?) Write `gap(cost, plan, f)`: by how much the plan's cost exceeds this bound. The marginals
# are those of the plan, and they are not uniform.

# %% answer="gap"
def gap(cost, plan, f):
    ### BEGIN SOLUTION
    g = (cost - f[:, None]).amin(0)
    return (plan * cost).sum() - plan.sum(1) @ f - plan.sum(0) @ g
    ### END SOLUTION

# %% test="gap" points=3
# Checks a small plan by hand and that the best plan with its prices has no gap; when graded, other plans and prices.
from flowlib.teaching import close, generator, graded

@graded("gap", gap=gap)
def _(gap):
    cost, plan = torch.tensor([[1.0, 4.0, 2.0], [3.0, 1.0, 5.0]]), torch.tensor([[0.2, 0.1, 0.0], [0.1, 0.4, 0.2]])
    found = gap(cost, plan, torch.zeros(2))
    yield found > -1e-9, "No plan can cost less than a lower bound: is g the smallest value, over the sources?"
    yield close(found, 2.3 - 1.2, 1e-9), "Without prices g is the least cost of each column, and b weighs it: the plan costs 2.3, the bound is 1.2."
    yield close(gap(cost, plan, torch.tensor([5.0, 5.0])), 1.1, 1e-9), "The same price on every source changes nothing."
    random = generator(STUDENT, "gap")
    x, y, a, b = torch.randn(5, 2, generator=random), torch.randn(7, 2, generator=random), torch.rand(5, generator=random), torch.rand(7, generator=random)
    a, b = a / a.sum(), b / b.sum()
    best, f = transport.optimal_coupling(x, y, a, b)[0], transport.dual_potentials(x, y, a, b)[0]
    yield close(gap(transport.squared_distances(x, y), best, f), 0.0, 1e-6), "The best plan with its own prices has no gap: which masses weigh f, and which weigh g?"
### BEGIN HIDDEN TESTS
@graded("gap", gap=gap)
def _(gap):
    random = generator("graded", "gap")
    for n, m in [(4, 4), (3, 6), (8, 2)]:
        cost, plan, f = torch.rand(n, m, generator=random), torch.rand(n, m, generator=random), torch.randn(n, generator=random)
        plan = plan / plan.sum()
        truth = sum(plan[i, j] * (cost[i, j] - f[i] - min(cost[k, j] - f[k] for k in range(n))) for i in range(n) for j in range(m))
        yield close(gap(cost, plan, f), truth, 1e-9), "It fails for other plans and prices."
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · Your own two clouds (2 points)
#
# These two Gaussians are yours alone. The map $z \mapsto m_q + L_q L_p^{-1}(z - m_p)$, with the Cholesky factors $L$ of the two covariances, moves $p$
# to $q$ as well. By how much is its mean squared distance larger than $W_2^2(p, q)$? Give `detour`, a number that is right to three decimals.

# %% locked="clouds"
def own_clouds(student):
    random = teaching.generator(student, "clouds")
    roots, means = torch.randn(2, 2, 2, generator=random), torch.randn(2, 2, generator=random)
    return [transport.Gaussian(mean, root @ root.mT + 0.2 * torch.eye(2)) for mean, root in zip(means, roots)]

p, q = own_clouds(STUDENT)
detour = None

# %% answer="detour"
### BEGIN SOLUTION
lower_p, lower_q = (torch.linalg.cholesky(cloud.covariance) for cloud in (p, q))
shift = (p.mean - q.mean).square().sum()
cost = shift + p.covariance.trace() + q.covariance.trace() - 2 * (lower_q @ lower_p.mT).trace()
detour = cost - transport.gaussian_w2(p, q)
### END SOLUTION

# %% test="detour" points=2
# Checks the difference for your own two clouds; when graded, more closely.
from flowlib.teaching import close, graded

@graded("detour", detour=detour)
def _(detour):
    p, q = own_clouds(STUDENT)
    z = p.sample(100_000, torch.Generator().manual_seed(0))
    moved = q.mean + (z - p.mean) @ (torch.linalg.cholesky(q.covariance) @ torch.linalg.inv(torch.linalg.cholesky(p.covariance))).mT
    costs = (moved - z).square().sum(1)
    sampled, error = costs.mean() - transport.gaussian_w2(p, q), costs.std() / 100_000**0.5
    yield torch.as_tensor(detour) >= 0, "W₂² is the least: no other map can cost less."
    yield close(detour, sampled, 5 * error), "A sample of 100 000 points says otherwise: E‖T(z) − z‖² has a part from the means and one from the covariances."
### BEGIN HIDDEN TESTS
def true_detour(student):
    p, q = own_clouds(student)
    step = torch.linalg.cholesky(q.covariance) @ torch.linalg.inv(torch.linalg.cholesky(p.covariance)) - torch.eye(2)
    best = transport.gaussian_map(p, q).matrix - torch.eye(2)
    return ((step @ p.covariance @ step.mT).trace() - (best @ p.covariance @ best.mT).trace())

@graded("detour", detour=detour)
def _(detour):
    yield close(detour, true_detour(STUDENT), 1e-3), "Close, but not to three decimals: compute it in closed form."
### END HIDDEN TESTS
