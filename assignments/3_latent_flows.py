# %% [markdown]
# # Assignment 3: Latent flows and their bounds
#
# You will carry a log-density along a flow, find it at a given place, compute both objectives of the flow-factorized VAE where the truth is known, and look
# into a trained model. It belongs to chapters 6 and 8 of the book. Plan 100 minutes. 20 points.
#
# How it works: replace each `raise NotImplementedError()` by your answer, then run the test below it. A test that is not
# satisfied says in one sentence where to look. When your notebook is graded, the same tests run again with other numbers, so write functions
# that hold in general. All numbers are double precision (`torch.float64`). Cells with tests are restored before grading: there
# is no use in changing them. The last cell lists what is still open.

# %% locked="imports"
import math
import torch
from flowlib import data, teaching, training, transport

torch.set_default_dtype(torch.float64)

# %%
STUDENT = "your id"    # the id under which you hand in, in quotation marks: it draws the digits of task 7, which are yours alone

# %% [markdown]
# ## 1 · A log-density on its way (4 points)
#
# `u(z, t)` takes `z` (N, d) and a number `t` and returns (N,). Write `carry(u, z, log_q, steps)`: the samples after the steps $z_t = z_{t-1} + \nabla u(z_{t-1}, t)$,
# $t = 1, …,$ `steps`, and their log-densities, where those of the samples at the start are `log_q` (N,). `transport.gradient_of` and `transport.hessian`
# may help; a step may also turn a direction around.

# %% answer="carry"
def carry(u, z, log_q, steps):
    ### BEGIN SOLUTION
    for t in range(1, steps + 1):
        hessian = transport.hessian(u, z, t)
        log_q = log_q - torch.linalg.slogdet(torch.eye(z.shape[1]) + hessian).logabsdet
        z = z + transport.gradient_of(u)(z, t)
    return z, log_q
    ### END SOLUTION

# %% test="carry" points=4
# Checks a Gaussian that two linear steps keep Gaussian; when graded, more steps, a reflection, and a flow that is not linear.
from flowlib.teaching import close, generator, graded

def judge(carry, A, b, steps):
    start = transport.Gaussian(torch.zeros(len(b)), torch.eye(len(b)))
    z, whole, shift = start.sample(5, generator("carry", "start")), torch.eye(len(b)), torch.zeros(len(b))
    end, log_q = carry(lambda z, t: t * (0.5 * ((z @ A) * z).sum(1) + z @ b), z.clone(), start.log_prob(z), steps)
    for t in range(1, steps + 1):
        whole, shift = whole + t * A @ whole, shift + t * (A @ shift + b)
    yield close(end, z @ whole.mT + shift, 1e-8), "The samples are not where they should be: the first step has the label t = 1, and each one begins where the last one ended."
    truth = transport.Gaussian(shift, whole @ whole.mT).log_prob(end)
    yield not close(log_q - start.log_prob(z), start.log_prob(z) - truth, 1e-8), "Where a flow stretches, the density becomes smaller: look at the sign."
    yield close(log_q, truth, 1e-8), "The volume grows by |det(I + H)| in each step, with the whole matrix H, at the place where the step begins."

@graded("carry", carry=carry)
def _(carry):
    yield from judge(carry, torch.tensor([[0.2, 0.3], [0.3, -0.1]]), torch.tensor([0.5, -1.0]), 2)
### BEGIN HIDDEN TESTS
@graded("carry", carry=carry)
def _(carry):
    yield from judge(carry, torch.tensor([[0.1, 0.2, 0.0], [0.2, 0.0, -0.3], [0.0, -0.3, 0.2]]), torch.tensor([0.1, 0.0, 1.0]), 4)
    yield from judge(carry, torch.tensor([[-1.6, 0.2], [0.2, 0.1]]), torch.tensor([0.0, 0.3]), 1)
    def wave(z, t):
        return 0.3 * torch.sin(z[:, 0] + 0.5 * t) * torch.cos(2 * z[:, 1])
    def flow(z):
        for t in (1, 2, 3):
            z = z + transport.gradient_of(wave)(z, t)
        return z
    z, log_q = torch.randn(4, 2, generator=generator("carry", "wave")), torch.arange(4.0)
    truth = log_q - torch.linalg.slogdet(transport.jacobian(flow, z)).logabsdet
    yield close(carry(wave, z, log_q, 3)[1], truth, 1e-8), "It fails for a flow that is not linear."
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · The density at a given place (3 points)
#
# Samples carry their densities with them. But what is the density after one step $z \mapsto z + \nabla u(z)$ at a place `y` that no sample has reached? First find where one would have come
# from. Write `log_density_at(u, log_q, y)`: `u(z)` takes (N, d) and returns (N,), `log_q(z)` is the log-density before the step, and `y` is (N, d). All eigenvalues of the Hessian lie between −0.8 and 0.8,
# so each repetition of $z \leftarrow y - \nabla u(z)$ leaves at most 0.8 of the error; repeat it until ten digits stand still. (The helpers of task 1 want a function of `z` and `t`: wrap `u`.)

# %% answer="inverse"
def log_density_at(u, log_q, y):
    ### BEGIN SOLUTION
    def timed(z, t):
        return u(z)

    z = y
    for _ in range(120):                                # 0.8¹²⁰ is below 10⁻¹¹
        z = y - transport.gradient_of(timed)(z, 0.0)
    stretch = torch.eye(y.shape[1]) + transport.hessian(timed, z, 0.0)
    return log_q(z) - torch.linalg.slogdet(stretch).logabsdet
    ### END SOLUTION

# %% test="inverse" points=3
# Checks a linear step, and that a density integrates to one; when graded, a strong wave in the plane.
from flowlib.teaching import close, generator, graded

@graded("inverse", log_density_at=log_density_at)
def _(log_density_at):
    line = transport.Gaussian(torch.zeros(1), torch.eye(1))
    y = torch.linspace(-6.0, 6.0, 241)[:, None]
    found = log_density_at(lambda z: 0.25 * z.square().sum(1), line.log_prob, y)
    truth = transport.Gaussian(torch.zeros(1), 2.25 * torch.eye(1)).log_prob(y)
    yield close(found, truth, 1e-2), "Here the step is z ↦ 1.5 z: the density at y is that at y / 1.5, made thinner by 1.5."
    yield close(found, truth, 1e-8), "Right in the first digits: repeat until ten of them stand still."
    found = log_density_at(lambda z: 0.7 * torch.cos(z[:, 0]), line.log_prob, y)
    yield close(found.exp().sum() * 0.05, 1.0, 1e-4), "For u = 0.7 cos z the density does not integrate to one: is the Hessian taken where the sample came from, after enough repetitions?"
### BEGIN HIDDEN TESTS
@graded("inverse", log_density_at=log_density_at)
def _(log_density_at):
    def wave(z):
        return 0.78 * torch.cos(z[:, 0]) + 0.1 * torch.sin(z[:, 1]) + 0.005 * z[:, 0].sin() * z[:, 1].sin()
    cloud = transport.Gaussian(torch.tensor([0.3, -0.2]), torch.tensor([[1.0, 0.4], [0.4, 0.8]]))
    z = torch.randn(6, 2, generator=generator("inverse", "wave"))
    def step(z):
        return z + transport.gradient_of(lambda z, t: wave(z))(z, 0.0)
    truth = cloud.log_prob(z) - torch.linalg.slogdet(transport.jacobian(step, z)).logabsdet
    yield close(log_density_at(wave, cloud.log_prob, step(z)), truth, 1e-6), "It fails in the plane, for a Hessian close to the limit."
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · The marginal objective, in closed form (3 points)
#
# A model with one latent dimension whose truth is known: $z_0 \sim \mathcal N(0, 1)$, under the prior flow $z_t \sim \mathcal N(0, 1 + 2Dt)$, and $x_t \mid z_t \sim \mathcal N(z_t, s^2)$. The posterior starts as $\mathcal N(m, v)$, with the
# variance $v$, and moves by $z_t = z_{t-1} + b$. Write `marginal(x, m, v, b, D, s)`: $\sum_{t=0}^T \{\mathbb E_{q_t} \log p(x_t \mid z_t) - \mathrm{KL}[q_t \,\|\, p_t]\}$ for the frames `x` (T+1,), without sampling. The others are numbers.

# %% answer="marginal"
def marginal(x, m, v, b, D, s):
    ### BEGIN SOLUTION
    t = torch.arange(len(x))
    mean, prior = m + t * b, 1 + 2 * D * t
    fit = -0.5 * math.log(2 * math.pi * s**2) - ((x - mean) ** 2 + v) / (2 * s**2)
    kl = 0.5 * ((v + mean**2) / prior - 1 - torch.log(v / prior))
    return (fit - kl).sum()
    ### END SOLUTION

# %% test="marginal" points=3
# Checks that one frame with its true posterior gives log p, and two frames; when graded, longer sequences by quadrature.
from flowlib.teaching import close, graded

@graded("marginal", marginal=marginal)
def _(marginal):
    evidence = -0.5 * math.log(2 * math.pi * 1.25) - 1.2**2 / 2.5
    found = torch.as_tensor(marginal(torch.tensor([1.2]), 0.96, 0.2, 0.3, 0.1, 0.5))
    yield found <= evidence + 1e-9, "One frame: this is above log p, so it is no bound. Does the variance v enter both terms, and with which signs?"
    yield close(found, evidence, 1e-9), "One frame whose q is the true posterior, N(0.96, 0.2): the bound has to be log p itself."
    found = marginal(torch.tensor([1.2, 1.5]), 0.96, 0.2, 0.3, 0.1, 0.5)
    yield close(found, -3.488215, 1e-5), "The first frame is right: which mean and which prior variance belong to the second one?"
### BEGIN HIDDEN TESTS
@graded("marginal", marginal=marginal)
def _(marginal):
    def log_normal(value, mean, variance):
        return -0.5 * math.log(2 * math.pi * variance) - (value - mean) ** 2 / (2 * variance)
    for x, m, v, b, D, s in [([0.3, -1.0, 2.0, 0.1], -0.4, 0.7, 0.6, 0.3, 1.4), ([1.0, 2.0, 2.5], 0.5, 0.1, -0.8, 1.1, 0.6)]:
        truth = 0.0
        for t, frame in enumerate(x):
            z = m + t * b + v**0.5 * torch.linspace(-10.0, 10.0, 4001)
            log_q = log_normal(z, m + t * b, v)
            integrand = log_q.exp() * (log_normal(frame, z, s**2) + log_normal(z, 0.0, 1 + 2 * D * t) - log_q)
            truth = truth + integrand.sum() * v**0.5 * 20 / 4000
        yield close(marginal(torch.tensor(x), m, v, b, D, s), truth, 1e-6), "It fails for another sequence or other variances."
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · The path objective, in closed form (4 points)
#
# The same model as a chain: $z_t \mid z_{t-1} \sim \mathcal N(z_{t-1}, 2D)$ under the prior, and under the posterior, with its noise, $z_t = z_{t-1} + (a z_{t-1} + b) + \sqrt{2D}\,\varepsilon_t$ from $\mathcal N(m, v)$.
# Write `path(x, m, v, a, b, D, s)`: the bound $\mathbb E \log p(\bar x \mid \bar z) - \mathrm{KL}[q(z_0) \,\|\, \mathcal N(0, 1)] - \sum_{t=1}^T \mathbb E (a z_{t-1} + b)^2 / 4D$.

# %% answer="path"
def path(x, m, v, a, b, D, s):
    ### BEGIN SOLUTION
    bound = -0.5 * (v + m**2 - 1 - math.log(v))
    for t, frame in enumerate(x):
        if t:
            bound = bound - ((a * m + b) ** 2 + a**2 * v) / (4 * D)
            m, v = (1 + a) * m + b, (1 + a) ** 2 * v + 2 * D
        bound = bound - 0.5 * math.log(2 * math.pi * s**2) - ((frame - m) ** 2 + v) / (2 * s**2)
    return bound
    ### END SOLUTION

# %% test="path" points=4
# Checks a constant and a linear drift over one step; when graded, longer sequences against the joint Gaussians of the two chains.
from flowlib.teaching import close, graded

@graded("path", path=path)
def _(path):
    x, evidence = torch.tensor([1.0, 2.0]), -3.342596
    found = torch.as_tensor(path(x, 0.5, 0.5, 0.0, 0.75, 0.5, 1.0))
    yield found <= evidence, "This is above log p(x̄) = −3.3426, so it is no bound: the frames are decoded from the noisy chain, whose variance grows."
    yield close(found, -3.746951, 1e-5), "A constant drift: the bound is −3.7470. Look at the factors of the action and of the variances."
    yield close(path(x, 0.5, 0.5, 0.4, 0.75, 0.5, 1.0), -4.066951, 1e-5), "A linear drift: E(a z + b)² knows the variance of z, and the drift stretches it."
### BEGIN HIDDEN TESTS
@graded("path", path=path)
def _(path):
    def joint(T, m, v, a, b, D):
        mean, covariance = torch.tensor([float(m)]), torch.tensor([[float(v)]])
        for _ in range(T):
            cross = covariance[-1:] * (1 + a)
            covariance = torch.cat([torch.cat([covariance, cross.mT], 1), torch.cat([cross, cross[:, -1:] * (1 + a) + 2 * D], 1)])
            mean = torch.cat([mean, mean[-1:] * (1 + a) + b])
        return mean, covariance
    for x, m, v, a, b, D, s in [([0.3, -1.0, 2.0, 0.1], -0.4, 0.7, 0.3, 0.6, 0.3, 1.4), ([1.0, 2.0, 2.5], 0.5, 0.1, -0.5, -0.8, 1.1, 0.6)]:
        x = torch.tensor(x)
        (mean, q), (_, p) = joint(len(x) - 1, m, v, a, b, D), joint(len(x) - 1, 0.0, 1.0, 0.0, 0.0, D)
        kl = 0.5 * (torch.linalg.solve(p, q + mean[:, None] * mean).trace() - len(x) + torch.logdet(p) - torch.logdet(q))
        fit = (-0.5 * math.log(2 * math.pi * s**2) - ((x - mean) ** 2 + q.diag()) / (2 * s**2)).sum()
        yield close(path(x, m, v, a, b, D, s), fit - kl, 1e-8), "It fails for a longer sequence, or another drift."
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Which of these are true? (2 points)
#
# - `a` The marginal objective can be larger than $\log p(\bar x \mid k)$ of the whole sequence.
# - `b` Where every step is injective, the marginal objective is at most $\sum_t \log p(x_t \mid k)$.
# - `c` The path objective stays a lower bound when the frames are decoded from $z_t$ without noise.
# - `d` Where all $I + H$ are positive definite, $\operatorname{tr} H$ in the place of $\log|\det(I + H)|$ can make the marginal objective larger, and never smaller.
# - `e` For the same potentials, the path objective charges less and less for the movement as $D \to 0$.
# - `f` Adding a function of time alone to a potential changes both objectives, even without a Hamilton–Jacobi penalty.
#
# Give the set of letters. Whether it is the right one you learn when it is graded.

# %%
true_ones = None    # such as {"c", "f"}

# %% answer="statements"
### BEGIN SOLUTION
true_ones = {"a", "b", "d"}
### END SOLUTION

# %% test="statements" points=2
# Checks that your answer is a set of letters from a to f; when graded, that it is the right one.
from flowlib.teaching import graded

@graded("statements", true_ones=true_ones)
def _(true_ones):
    yield isinstance(true_ones, set) and true_ones <= set("abcdef"), 'Give a set of letters, such as {"c", "f"}.'
### BEGIN HIDDEN TESTS
@graded("statements", true_ones=true_ones)
def _(true_ones):
    yield len(true_ones ^ {"a", "b", "d"}) == 0, "Not these: look at the definitions of both objectives, and at log(1 + h) against h."
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Does the trained model fold? (2 points)
#
# The checkpoint of chapter 8 holds `trained.potentials`. A step can only be the optimal map to its image where $I + H$ has no eigenvalue below zero. Write `least_eigenvalue(model, z, factor, steps)`: the smallest
# eigenvalue of $I + \nabla^2 u^k(z_{t-1}, t)$ over the codes `z` (N, d) and the steps $t = 1, …,$ `steps`, along the flow of a factor. (`model.flow` is explained in chapter 8.)

# %% locked="model"
trained, config = training.load_model(data.data_folder() / "checkpoints" / "tutorial-mnist.safetensors")
trained = trained.double()
held_out = data.load_sequences(config, "test")

def codes(digits):
    with torch.no_grad():
        return trained.encode(held_out.first_frames(digits).double()).mean

# %% answer="eigenvalue"
def least_eigenvalue(model, z, factor, steps):
    ### BEGIN SOLUTION
    hessian = model.flow(z, factor, steps, hessian=True).hessian
    return torch.linalg.eigvalsh(torch.eye(z.shape[1]) + hessian).min()
    ### END SOLUTION

# %% test="eigenvalue" points=2
# Checks five digits under three steps of scaling; when graded, other digits, factors and numbers of steps.
from flowlib.teaching import close, graded

@graded("eigenvalue", least_eigenvalue=least_eigenvalue)
def _(least_eigenvalue):
    found = least_eigenvalue(trained, codes(range(5)), 0, 3)
    yield not close(found + 1, 0.0787, 1e-3), "Add the identity: the step is z + ∇u(z), and its Jacobian is I + H."
    yield close(found, 0.0787, 1e-3), "The smallest eigenvalue over all five codes and all three steps is wanted, each Hessian at the place and time of its own step."
### BEGIN HIDDEN TESTS
@graded("eigenvalue", least_eigenvalue=least_eigenvalue)
def _(least_eigenvalue):
    for factor, steps, digits in [(1, 2, range(6, 9)), (2, 4, range(3))]:
        here, least = codes(digits), []
        for t in range(1, steps + 1):
            for z in here:
                step = torch.func.jacfwd(lambda z: trained.transport(z[None], factor, 1, first=t)[0, 1])(z)
                least.append(torch.linalg.eigvalsh((step + step.mT) / 2).min())
            here = trained.transport(here, factor, 1, first=t)[:, 1]
        yield close(least_eigenvalue(trained, codes(digits), factor, steps), torch.stack(least).min(), 1e-5), "It fails for another factor or number of steps."
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · What the trace would hide (2 points)
#
# Somebody computes the marginal objective of this model with $\operatorname{tr} H_t$ in the place of $\log|\det(I + H_t)|$, and is pleased with the result. By how many nats is it too
# large on average, for your four codes `own_codes` under your factor `own_factor`, over all eight steps? Give `excess`, a number that is right to two decimals.

# %% locked="own"
def own_case(student, codes=codes):
    random = teaching.generator(student, "trace")
    digits = torch.randperm(1000, generator=random)[:4]
    return codes(digits.tolist()), int(torch.randint(3, (), generator=random))

own_codes, own_factor = own_case(STUDENT)
excess = None

# %% answer="trace"
### BEGIN SOLUTION
hessians = trained.flow(own_codes, own_factor, 8, hessian=True).hessian
traces = hessians.diagonal(dim1=-2, dim2=-1).sum(-1)
excess = (traces - torch.linalg.slogdet(torch.eye(own_codes.shape[1]) + hessians).logabsdet).sum(1).mean()
### END SOLUTION

# %% test="trace" points=2
# Checks the sign, and that the number is one of a single digit and all steps; when graded, the number itself.
from flowlib.teaching import close, graded

@graded("trace", excess=excess)
def _(excess):
    yield torch.as_tensor(excess) > 0, "log(1 + h) is never larger than h: which of the two do you subtract?"
    yield 4.5 < torch.as_tensor(excess) < 25, "Single digits have between 4.5 and 25 nats: add the eight steps up, take the mean over your four codes."
### BEGIN HIDDEN TESTS
@graded("trace", excess=excess)
def _(excess):
    z, factor = own_case(STUDENT)
    def flow(z):
        return trained.transport(z[None], factor, 8)[0]
    total = 0.0
    for code in z:
        path, whole = flow(code), torch.func.jacfwd(lambda z: flow(z)[-1])(code)
        def step(z, t):
            return trained.transport(z[None], factor, 1, first=t)[0, 1]
        traces = [torch.func.jacfwd(step)(path[t - 1].detach(), t).trace() - len(code) for t in range(1, 9)]
        total = total + sum(traces) - torch.linalg.slogdet(whole).logabsdet
    yield close(excess, total / len(z), 0.01), "It is not your number: the trace and the determinant of each step's own Hessian, with the identity added in one of them only."
### END HIDDEN TESTS
