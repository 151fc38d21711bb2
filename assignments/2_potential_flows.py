# %% [markdown]
# # Assignment 2: Potential flows, straight and bent
#
# You will solve the Hamilton–Jacobi equation for quadratic potentials, find out when three particles would rather exchange their places, read a
# particle's acceleration off a residual, and divide an action into what was needed and what was wasted. It belongs to chapters 3 and 4 of the
# book. Plan 95 minutes. 20 points.
#
# How it works: replace each `raise NotImplementedError()` by your answer, then run the test below it. A test that is not
# satisfied says in one sentence where to look. When your notebook is graded, the same tests run again with other numbers, so write functions
# that hold in general. All numbers are double precision (`torch.float64`). Cells with tests are restored before grading: there
# is no use in changing them. The last cell lists what is still open.

# %% locked="imports"
import torch
from flowlib import teaching, transport

torch.set_default_dtype(torch.float64)

# %%
STUDENT = "your id"    # the id under which you hand in, in quotation marks: it draws the data of task 6, which are yours alone

# %% [markdown]
# ## 1 · A potential from its characteristics (4 points)
#
# A flow starts with the potential $u(z, 0) = \tfrac12 z^\top A z + b \cdot z$, with a symmetric $A$. Every particle keeps the velocity that it has at the start. Write
# `potential(A, b, z, t)`: the potential $u(z, t)$ with $\partial_t u + \tfrac12\|\nabla u\|^2 = 0$, at the places `z` of the shape (N, d), of the shape (N,), while
# no characteristics have crossed. It stays quadratic: $u = \tfrac12 z^\top A_t z + b_t \cdot z + c_t$. Do not forget $c_t$.

# %% answer="potential"
def potential(A, b, z, t):
    ### BEGIN SOLUTION
    shrink = torch.linalg.inv(torch.eye(len(A)) + t * A)       # who is at z now started at shrink (z − t b)
    constant = -0.5 * t * (b @ shrink @ b)
    return 0.5 * torch.einsum("ni,ij,nj->n", z, A @ shrink, z) + z @ shrink @ b + constant
    ### END SOLUTION

# %% test="potential" points=4
# Checks the start, the velocity along characteristics and the equation, in the plane; when graded, in three dimensions.
from flowlib.teaching import close, graded

def judge(potential, A, b, t):
    z = torch.linspace(-1.0, 2.0, 6 * len(b)).reshape(6, -1).sin().requires_grad_()
    start = 0.5 * ((z @ A) * z).sum(1) + z @ b
    yield close(potential(A, b, z, 0.0), start, 1e-9), "At time 0 it has to be ½ zᵀA z + b·z, one number for each place."
    velocity = z @ A + b
    there = (z + t * velocity).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(potential(A, b, there, t).sum(), there)
    yield close(gradient, velocity, 1e-7), "Its gradient has to be the velocity that a particle brought from its start: go along z + t (A z + b), and back."
    rate = (potential(A, b, there, t + 1e-5) - potential(A, b, there, t - 1e-5)) / 2e-5
    residual = rate + 0.5 * gradient.square().sum(1)
    yield close(residual, 0.0 * residual, 1e-6), "The velocity is right, the residual is not zero: what is missing depends on time alone."

@graded("potential", potential=potential)
def _(potential):
    yield from judge(potential, torch.tensor([[0.5, 0.2], [0.2, -0.3]]), torch.tensor([0.7, -0.4]), 0.8)
### BEGIN HIDDEN TESTS
@graded("potential", potential=potential)
def _(potential):
    A = torch.tensor([[0.9, -0.3, 0.1], [-0.3, -0.2, 0.4], [0.1, 0.4, 0.0]])
    yield from judge(potential, A, torch.tensor([1.0, 0.5, -2.0]), 0.6)
    yield from judge(potential, torch.zeros(1, 1), torch.tensor([1.5]), 1.2)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · Three particles in a ring (3 points)
#
# Particles start at `z` and arrive at `w`, both (N, 2): particle $i$ goes from $z_i$ to $w_i$. No *two* of them may gain by exchanging their places of arrival, and the
# pairing need not be optimal even so. Write `best_ring(z, w)`: the largest saving of $\sum \|z - w\|^2$ over all rings of three, in which $i$ takes the place of $j$, $j$ that
# of $k$, and $k$ that of $i$ ($i$, $j$, $k$ all different). It is negative where every ring costs more.

# %% answer="ring"
def best_ring(z, w):
    ### BEGIN SOLUTION
    cost = transport.squared_distances(z, w)
    gain = cost.diag()[:, None] - cost                  # gain[i, j]: i takes the place of j
    saving = gain[:, :, None] + gain[None, :, :] + gain.mT[:, None, :]
    same = torch.eye(len(z)).bool()
    saving[same[:, :, None] | same[None, :, :] | same[:, None, :]] = -torch.inf
    return saving.max()
    ### END SOLUTION

# %% test="ring" points=3
# Checks a triangle that turns by 75 degrees, where no two gain and the ring does; when graded, other turns and more particles.
from flowlib.teaching import close, generator, graded

def turned(degrees):
    def ring(offset):
        angles = torch.deg2rad(torch.tensor([0.0, 120.0, 240.0]) + offset)
        return torch.stack([angles.cos(), angles.sin()], 1)
    return ring(0.0), ring(degrees)

@graded("ring", best_ring=best_ring)
def _(best_ring):
    found = torch.as_tensor(best_ring(*turned(75.0)))
    yield found > 0, "A ring of the three saves something here: the largest saving over all rings is wanted, and both ways round count."
    yield close(found, 2.68973, 1e-4), "The saving is what the three pay now, less what they would pay in the ring, in squared distances."
    yield close(best_ring(*turned(0.0)), -9.0, 1e-9), "Who stays in place has nothing to gain: each ring costs 9, and a ring has three different members."
### BEGIN HIDDEN TESTS
@graded("ring", best_ring=best_ring)
def _(best_ring):
    yield close(best_ring(*turned(-75.0)), 2.68973, 1e-4), "It fails for a turn the other way: a ring has two directions."
    yield close(best_ring(*turned(50.0)), 6 * (torch.cos(torch.deg2rad(torch.tensor(70.0))) - torch.cos(torch.deg2rad(torch.tensor(50.0)))), 1e-9), "It fails where every ring costs more."
    z, w = torch.randn(2, 6, 2, generator=generator("graded", "ring"))
    def ring(i, j, k):
        return sum((z[a] - w[a]).square().sum() - (z[a] - w[b]).square().sum() for a, b in ((i, j), (j, k), (k, i)))
    truth = max(ring(i, j, k) for i in range(6) for j in range(6) for k in range(6) if len({i, j, k}) == 3)
    yield close(best_ring(z, w), truth, 1e-9), "It fails for six particles."
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · What bends a path (3 points)
#
# A particle follows $\dot z = \nabla u(z, t)$. Its acceleration $\ddot z$ can be read off the Hamilton–Jacobi residual $r = \partial_t u + \tfrac12\|\nabla u\|^2$ alone. Write
# `acceleration(u, z, t)` with autograd: `u(z, t)` takes `z` (N, d) and `t` (N,) and returns (N,); return $\ddot z$ of the particles that are at `z` at the time `t` (one number), (N, d).

# %% answer="acceleration"
def acceleration(u, z, t):
    ### BEGIN SOLUTION
    z, t = z.detach().clone().requires_grad_(), torch.full((len(z),), float(t)).requires_grad_()
    velocity, rate = torch.autograd.grad(u(z, t).sum(), (z, t), create_graph=True)
    residual = rate + 0.5 * velocity.square().sum(1)
    return torch.autograd.grad(residual.sum(), z)[0]
    ### END SOLUTION

# %% test="acceleration" points=3
# Checks a cloud that breathes; when graded, potentials that are not quadratic.
from flowlib.teaching import close, graded

@graded("acceleration", acceleration=acceleration)
def _(acceleration):
    z, t = torch.tensor([[1.0, -0.5], [0.3, 2.0], [-1.2, 0.4]]), 0.6
    found = acceleration(lambda z, t: 0.5 * torch.sin(t) * z.square().sum(1), z, t)
    truth = (torch.cos(torch.tensor(t)) + torch.sin(torch.tensor(t)) ** 2) * z
    yield found.shape == z.shape, "One acceleration, a vector, for each particle."
    yield not close(found, torch.cos(torch.tensor(t)) * z, 1e-6), "This is how the velocity changes at a fixed place; the particle moves on, too."
    yield close(found, truth, 1e-6), "Here ∇u = z sin t, so the acceleration is z (cos t + sin² t): look at sign and factor of each part of the residual."
### BEGIN HIDDEN TESTS
@graded("acceleration", acceleration=acceleration)
def _(acceleration):
    def wave(z, t):
        return torch.sin(2 * z[:, 0] - t) * torch.cos(z[:, 1]) + 0.3 * t**2 * z[:, 1] ** 3
    def velocity(z, t):
        z = z.clone().requires_grad_()
        return torch.autograd.grad(wave(z, torch.full((len(z),), t)).sum(), z)[0]
    z, t, h = torch.tensor([[1.0, -0.5], [0.3, 0.9], [-1.2, 0.4]]), 0.5, 1e-5
    v = velocity(z, t)
    along = (velocity(z + h * v, t + h) - velocity(z - h * v, t - h)) / (2 * h)
    yield close(acceleration(wave, z, t), along, 1e-6), "It fails for a potential that is not quadratic."
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · A ledger of the action (4 points)
#
# `path` (N, T+1, d) holds N particles at the times $0, 1/T, …, 1$, with straight pieces between. The action, the mean of $T \sum_t \|z_{t+1} - z_t\|^2$ over particles, has three parts,
# none of them negative: what a straight path at even speed to the same end costs; what the bends cost at even speed; and what the uneven speed adds. Write `ledger(path)`, the three of them
# in this order, each as the mean over particles.

# %% answer="ledger"
def ledger(path):
    ### BEGIN SOLUTION
    pieces = path.diff(dim=1).norm(dim=-1)
    chord = (path[:, -1] - path[:, 0]).square().sum(-1)
    length = pieces.sum(1).square()                     # the least action on a curve of this length
    action = pieces.shape[1] * pieces.square().sum(1)
    return chord.mean(), (length - chord).mean(), (action - length).mean()
    ### END SOLUTION

# %% test="ledger" points=4
# Checks a path at uneven speed, a bent one, and both together; when graded, random paths against the action.
from flowlib.teaching import close, generator, graded

UNEVEN = torch.tensor([[[0.0, 0.0], [0.25, 0.0], [1.0, 0.0]]])
BENT = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]])

@graded("ledger", ledger=ledger)
def _(ledger):
    found = torch.stack([torch.as_tensor(part) for part in ledger(UNEVEN)])
    yield close(found.sum(), 1.25, 1e-9), "The three parts add up to the action, the mean of T Σ‖z_{t+1} − z_t‖², here 1.25."
    yield close(found, [1.0, 0.0, 0.25], 1e-9), "This path is straight: its bends cost nothing, its uneven speed costs 0.25."
    found = torch.stack([torch.as_tensor(part) for part in ledger(BENT)])
    yield close(found, [2.0, 2.0, 0.0], 1e-9), "This path has a corner and an even speed: the shortest way costs 2, the corner costs 2 more."
    found = torch.stack([torch.as_tensor(part) for part in ledger(torch.cat([UNEVEN, BENT]))])
    yield close(found, [1.5, 1.0, 0.125], 1e-9), "Take the three parts of each particle first, and the mean last."
### BEGIN HIDDEN TESTS
@graded("ledger", ledger=ledger)
def _(ledger):
    path = torch.randn(5, 7, 3, generator=generator("graded", "ledger"))
    straight, bent, uneven = ledger(path)
    action = transport.kinetic_action(path, torch.linspace(0.0, 1.0, 7))
    yield close(straight + bent + uneven, action, 1e-9), "It fails for more steps: the parts do not add up to the action."
    lengths = [sum((one[t + 1] - one[t]).norm() for t in range(6)) for one in path]
    yield close(straight + bent, sum(length**2 for length in lengths) / 5, 1e-9), "It fails for more steps: on a curve of length L, even speed costs L²."
    yield close(straight, sum((one[6] - one[0]).norm() ** 2 for one in path) / 5, 1e-9), "It fails for more steps: the first part knows only the two ends."
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · What a penalty cannot see (2 points)
#
# Adding a function of time alone, $u(z, t) + C(t)$, changes no velocity, but it changes the residual, by $C'(t)$. Somebody measured `r` (N, T): residuals of N particles at T times. Write
# `least_penalty(r)`: the smallest value that the mean of $r^2$ can be brought to by the best choice of $C$, without changing the flow.

# %% answer="gauge"
def least_penalty(r):
    ### BEGIN SOLUTION
    return (r - r.mean(0)).square().mean()
    ### END SOLUTION

# %% test="gauge" points=2
# Checks residuals that are the same for all particles, and a small table; when graded, larger ones.
from flowlib.teaching import close, generator, graded

@graded("gauge", least_penalty=least_penalty)
def _(least_penalty):
    yield close(least_penalty(torch.tensor([[1.0, -2.0], [1.0, -2.0]])), 0.0, 1e-9), "A residual that is the same for all particles disappears: C may have another slope at every time."
    yield close(least_penalty(torch.tensor([[1.0, 0.0], [3.0, 4.0]])), 2.5, 1e-9), "By which number is a column shifted best, and what is then the mean of all squares?"
### BEGIN HIDDEN TESTS
@graded("gauge", least_penalty=least_penalty)
def _(least_penalty):
    r = torch.randn(7, 5, generator=generator("graded", "gauge")) + torch.arange(5.0)
    truth = sum((r[n, t] - r[m, t]) ** 2 for t in range(5) for n in range(7) for m in range(7)) / (2 * 7 * 7 * 5)
    yield close(least_penalty(r), truth, 1e-9), "It fails for more particles and times."
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Your own detour (4 points)
#
# Your cloud $\mathcal N(0, S)$ moves with $v(z) = Bz$ for one unit of time. `B` is not symmetric: the movement stirs as well as it stretches. By how much does its action $\int_0^1 \mathbb E\|v\|^2 dt$
# exceed the squared distance $W_2^2$ between the cloud at the start and the cloud at the end? Give `wasted`, a number that is right to four decimals.

# %% locked="flow"
def own_flow(student):
    random = teaching.generator(student, "flow")
    root, B = torch.randn(2, 2, 2, generator=random)
    return root @ root.mT + 0.2 * torch.eye(2), 0.5 * B + torch.tensor([[0.0, -0.4], [0.4, 0.0]])

S, B = own_flow(STUDENT)
wasted = None

# %% answer="wasted"
### BEGIN SOLUTION
times = (torch.arange(2000) + 0.5) / 2000
flows = torch.linalg.matrix_exp(times[:, None, None] * B)
action = (B @ flows @ S @ flows.mT @ B.mT).diagonal(dim1=1, dim2=2).sum(1).mean()
end = torch.linalg.matrix_exp(B)
wasted = action - transport.gaussian_w2(*(transport.Gaussian(torch.zeros(2), covariance) for covariance in (S, end @ S @ end.mT)))
### END SOLUTION

# %% test="wasted" points=4
# Checks the number against a sample of your own cloud; when graded, to four decimals.
from flowlib.teaching import close, graded

@graded("wasted", wasted=wasted)
def _(wasted):
    S, B = own_flow(STUDENT)
    cloud, end = transport.Gaussian(torch.zeros(2), S), torch.linalg.matrix_exp(B)
    z = cloud.sample(20_000, torch.Generator().manual_seed(0))
    speeds = torch.stack([(z @ torch.linalg.matrix_exp(t * B).mT @ B.mT).square().sum(1) for t in (torch.arange(20) + 0.5) / 20]).mean(0)
    least = transport.gaussian_w2(cloud, transport.Gaussian(torch.zeros(2), end @ S @ end.mT))
    yield torch.as_tensor(wasted) >= 0, "No movement between two clouds has an action below W₂²."
    yield close(wasted, speeds.mean() - least, 5 * speeds.std() / 20_000**0.5 + 1e-3), "A sample of 20 000 particles says otherwise: at time t the covariance is e^{Bt} S e^{Bᵀt}, and E‖Bz‖² is a trace."
### BEGIN HIDDEN TESTS
@graded("wasted", wasted=wasted)
def _(wasted):
    S, B = own_flow(STUDENT)
    gram, total = B.mT @ B, torch.zeros(2, 2)    # ∫ e^{Bᵀt} BᵀB e^{Bt} dt by its power series
    power, factor = gram, 1.0
    for n in range(60):
        total = total + power * factor / (n + 1)
        power, factor = B.mT @ power + power @ B, factor / (n + 1)
    end = torch.linalg.matrix_exp(B)
    least = transport.gaussian_w2(transport.Gaussian(torch.zeros(2), S), transport.Gaussian(torch.zeros(2), end @ S @ end.mT))
    yield close(wasted, (total @ S).trace() - least, 1e-4), "Close, but not to four decimals: use more times, or a better rule."
### END HIDDEN TESTS
