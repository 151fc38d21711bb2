# %% [markdown]
# # Assignment 4: A project — one change, measured
#
# You will add a transformation and a model through the library's protocol, learn to compare two methods seed by seed and image by image, then change one thing of your own
# choice and say what it did. It belongs to chapters 8 and 10 of the book. Plan 110 minutes, training not counted. 20 points: 10 by tests, 10 by a reader.
#
# How it works: replace each `raise NotImplementedError()` by your answer, then run the test below it. A test that is not
# satisfied says in one sentence where to look. When your notebook is graded, the same tests run again with other numbers, so write functions
# that hold in general. Cells with tests are restored before grading: there is no use in changing them. The last cell lists what is still open.

# %% locked="imports"
import dataclasses
import math
import tempfile
import time
import torch
from flowlib import data, teaching, training
from flowlib.config import Config
from flowlib.evaluation import equivariance_error
from flowlib.experiments.settings import BASE
from flowlib.experiments.tables import by_method, read_results
from flowlib.flows import stops
from flowlib.models import LatentModel, build_model, register
from flowlib.models.importance import single_frame_log_weights

# %%
STUDENT = "your id"    # the id under which you hand in, in quotation marks: it draws the data of task 4, which are yours alone

# %% [markdown]
# ## 1 · A transformation of your own (3 points)
#
# Write `change(images, strength)`: `images` (B, C, H, W) in [0, 1] and one strength between 0 and 1 for each of them, `strength` (B,); it returns the changed images, in [0, 1] and of the same shape.
# Strength 0 changes nothing (to $10^{-5}$ a pixel), strength 1 more than 0.002 a pixel on average, and more strength changes more, without jumps and without randomness. Which change is up to you: a shadow, a blur, a wave, a frame … What was passed in stays as it is.

# %% answer="transformation"
def change(images, strength):
    ### BEGIN SOLUTION
    rows = torch.linspace(0.0, 1.0, images.shape[2])[:, None]
    return images * (1 - strength[:, None, None, None] * rows)     # a shadow that falls from above
    ### END SOLUTION

# %% test="transformation" points=3
# Checks shape, range, rest, growth, smoothness and that the input stays; when graded, other sizes and a strength for each image.
from flowlib.teaching import close, generator, graded

def some_images(count, channels, size):
    y, x = torch.linspace(-1.0, 1.0, size)[:, None], torch.linspace(-1.0, 1.0, size)
    angle, shade, ink = torch.rand(3, count, channels, 1, 1, generator=generator("graded", "images"))
    across, along = x * torch.cos(3 * angle) + y * torch.sin(3 * angle), y * torch.cos(3 * angle) - x * torch.sin(3 * angle)
    return 0.1 + 0.2 * shade + (0.4 + 0.2 * ink) * torch.exp(-8 * across**2 - 1.5 * along**2)    # a bar, its edges soft

@graded("transformation", change=change)
def _(change):
    images = some_images(1, 3, 28)
    before = images.clone()
    shown = [change(images, torch.full((1,), s / 20)) for s in range(21)]
    yield close(images, before, 0), "The images that were passed in have changed: work on a copy."
    yield all(one.shape == images.shape for one in shown), "The result needs the shape of the images."
    yield all(0 <= one.min() and one.max() <= 1 for one in shown), "The result has to stay in [0, 1]."
    yield close(shown[0], images, 1e-5), "Strength 0 has to leave the images as they are."
    yield close(change(images, torch.ones(1)), shown[-1], 0), "The same images and strength have to give the same result: no randomness."
    far = torch.stack([(one - images).abs().mean() for one in shown])
    yield far[-1] > 0.002, "At full strength the images have to look different: more than 0.002 per pixel on average."
    yield bool((far[5::5] > far[:-5:5]).all()), "More strength has to change more."
    steps = torch.stack([(two - one).abs().mean() for one, two in zip(shown, shown[1:])])
    yield steps.max() < 0.34 * steps.sum(), "It jumps somewhere: a twentieth of the strength does a third of all the change."
### BEGIN HIDDEN TESTS
@graded("transformation", change=change)
def _(change):
    images, strengths = some_images(4, 1, 16), torch.tensor([0.2, 1.0, 0.0, 0.6])
    alone = torch.cat([change(one[None], s[None]) for one, s in zip(images, strengths)])
    yield alone.shape == images.shape, "It fails for images of one channel or another size."
    yield close(change(images, strengths), alone, 1e-5), "Each image has a strength of its own."
    yield (alone[1] - images[1]).abs().mean() > 0.002 and close(alone[2], images[2], 1e-5), "It fails for images of one channel or another size."
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · A motion of your own model (3 points)
#
# The model *turning* turns codes: with a matrix $W_k$ for each factor, $z_t = e^{t (W_k - W_k^\top)} z_0$. Write `turn(z, W, factor, times)`: codes `z` (B, d), matrices `W` (K, d, d), the
# factor of each code `factor` (B,), and `times`, a list of numbers that may be negative or broken; it returns (B, len(times), d), in the precision of `z`. (`torch.linalg.matrix_exp` takes its time: one for each factor and time is enough.)

# %% answer="motion"
def turn(z, W, factor, times):
    ### BEGIN SOLUTION
    angles = torch.as_tensor(times, dtype=z.dtype)[:, None, None] * (W - W.mT)[:, None]     # (K, times, d, d)
    return torch.einsum("btij,bj->bti", torch.linalg.matrix_exp(angles)[factor], z)
    ### END SOLUTION

# %% test="motion" points=3
# Checks the shape, the start, lengths and a quarter of a turn; when graded, matrices that differ, the way back and the differential equation.
from flowlib.teaching import close, generator, graded

@graded("motion", turn=turn)
def _(turn):
    W = (torch.pi / 8) * torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
    z = torch.tensor([[1.0, 0.0]]).double()
    path = turn(z, W, torch.tensor([0]), [0, 1, 2])
    yield path.shape == (1, 3, 2), "For B codes of d numbers and n times the result is (B, n, d)."
    yield close(path[:, 0], z, 1e-6), "At time 0 nothing has moved."
    yield close(path.norm(dim=-1), torch.ones(1, 3), 1e-5), "A rotation changes no length: is the matrix in the exponent antisymmetric?"
    yield close(path[:, 2], [[0.0, 1.0]], 1e-5), "W − Wᵀ turns by a quarter of π in each step here: (1, 0) is at (0, 1) after two. Look at the sign and the factor."
    little = turn(z, W, torch.tensor([0]), [0.1])[0, 0]
    yield little.dtype == z.dtype and close(little[1], math.sin(0.1 * math.pi / 4), 1e-10), "Codes and times are double here: make tensors with dtype=z.dtype, or 0.1 is right to seven digits only."
### BEGIN HIDDEN TESTS
@graded("motion", turn=turn)
def _(turn):
    random = generator("graded", "motion")
    z, W, h = torch.randn(3, 4, generator=random).double(), 0.3 * torch.randn(2, 4, 4, generator=random).double(), 1e-5
    factor = torch.tensor([1, 0, 1])
    path = turn(z, W, factor, [0.7 - h, 0.7, 0.7 + h, -1.3])
    speed = torch.stack([(W[k] - W[k].mT) @ here for k, here in zip(factor, path[:, 1])])
    yield close((path[:, 2] - path[:, 0]) / (2 * h), speed, 1e-6), "It fails for several codes, each with the matrix of its factor: dz/dt = (W − Wᵀ) z."
    yield close(turn(path[:, 3], W, factor, [1.3])[:, 0], z, 1e-8), "A negative time has to undo the positive one."
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Its loss (2 points)
#
# Write `loss_terms(model, batch, generator)` for a model whose code starts as $z_0 \sim q(z_0 \mid x_0)$ and moves by `model.transport`: a dictionary with `"reconstruction"`, minus the log-likelihood of the batch's frames, each decoded from the
# code of its own time and weighted by `batch.weights`; `"kl"`, $\mathrm{KL}[q \,\|\, \mathcal N(0, I)]$; and `"loss"`, their sum. Each is the mean over the sequences. `batch` (`flowlib.data.Batch`) holds a few frames of each sequence, which show
# the steps `batch.times`. The code is sampled once, by `posterior.sample(generator)`.
#
# What you need of the model is in chapter 8, *What a model owes the rest*: `model.encode`, `model.transport` (its path begins with $z_0$), `model.decode`, and `model.likelihood.log_prob(logits, frames)`, one number a frame.

# %% locked="model"
@register("turning")
class Turning(LatentModel):
    """The motion of task 2 and the loss of this one, with the encoder, the decoder and the likelihood of the library."""

    def __init__(self, config):
        super().__init__(config)
        self.matrices = torch.nn.Parameter(0.02 * torch.randn(len(config.factors), config.latent_dim, config.latent_dim))

    def transport(self, z, factor, steps, first=1):
        labels = torch.as_tensor(factor).expand(len(z))
        times = stops(steps, first)
        return turn(z, self.matrices, labels, [time - times[0] for time in times])

    def objective(self, batch, generator=None):
        return loss_terms(self, batch, generator)

    def frame_log_weights(self, batch, generator=None):
        return single_frame_log_weights(self, batch, generator)

# %% answer="objective"
def loss_terms(model, batch, generator):
    ### BEGIN SOLUTION
    posterior = model.encode(batch.frames[:, 0])
    path = model.transport(posterior.sample(generator), batch.factor, batch.steps)
    codes = torch.stack([path[row, times] for row, times in enumerate(batch.times)])
    log_prob = model.likelihood.log_prob(model.decode(codes), batch.frames)
    reconstruction, kl = -(log_prob * batch.weights).sum(1).mean(), posterior.kl().mean()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}
    ### END SOLUTION

# %% test="objective" points=2
# Checks both terms on one sequence and their sum; when graded, several sequences with frames of different times.
from flowlib.teaching import close, graded

def judge(loss_terms, rows, frames, factor):
    torch.manual_seed(1)
    model = build_model(Config(model="turning", network="mlp", width=8, latent_dim=4)).double()
    model.matrices.data.mul_(20)
    digits = torch.rand(rows, 9, 3, 28, 28, generator=torch.Generator().manual_seed(2)).double()
    times = torch.tensor(frames)
    batch = data.Batch(torch.stack([one[t] for one, t in zip(digits, times)]), times, torch.tensor(factor), 8)
    found = loss_terms(model, batch, torch.Generator().manual_seed(3))
    posterior = model.encode(batch.frames[:, 0])
    normal = torch.distributions.Normal(posterior.mean, posterior.log_std.exp())
    kl = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum() / rows
    z, total = posterior.sample(torch.Generator().manual_seed(3)), 0.0
    for row in range(rows):
        for place, t in enumerate(frames[row]):
            W = model.matrices[factor[row]]
            logits = model.decode((torch.linalg.matrix_exp(t * (W - W.mT)) @ z[row])[None])[0]
            bits = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.frames[row, place], reduction="sum")
            total = total + bits * (1.0 if place == 0 else 8 / (len(frames[row]) - 1)) / rows
    return found, total, kl

@graded("objective", loss_terms=loss_terms)
def _(loss_terms):
    found, total, kl = judge(loss_terms, 1, [[0, 5]], [1])
    yield set(found) >= {"loss", "reconstruction", "kl"}, 'A dictionary with "loss", "reconstruction" and "kl" is wanted.'
    yield close(found["kl"] / kl, 1.0, 1e-9), "The KL is that of the code of the first frame, summed over its dimensions, with a positive sign."
    yield found["reconstruction"] > 0, "The reconstruction is minus the log-likelihood: it is made smaller."
    yield close(found["reconstruction"] / total, 1.0, 1e-9), "Frame and code have to be of the same time, and the other frames stand for all eight: see batch.weights."
    yield close(found["loss"] / (found["reconstruction"] + found["kl"]), 1.0, 1e-9), "The loss is the sum of both."
### BEGIN HIDDEN TESTS
@graded("objective", loss_terms=loss_terms)
def _(loss_terms):
    found, total, kl = judge(loss_terms, 3, [[0, 5, 2], [0, 1, 8], [0, 7, 7]], [2, 0, 1])
    yield close(found["kl"] / kl, 1.0, 1e-9) and close(found["reconstruction"] / total, 1.0, 1e-9), "It fails for several sequences whose frames are of different times."
    yield close(found["loss"] / (total + kl), 1.0, 1e-9), "It fails for several sequences."
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · Better, or luck? (2 points)
#
# Two methods were trained with S seeds each, and each model was measured on the same N images: `ours` and `theirs` are (S, N), the errors. Write `paired(ours, theirs)`: the mean over the images of *ours minus theirs*, after
# averaging over the seeds, and the standard error of that mean over the images, which are paired.

# %% answer="verdict"
def paired(ours, theirs):
    ### BEGIN SOLUTION
    difference = ours.mean(0) - theirs.mean(0)
    return difference.mean(), difference.std() / len(difference) ** 0.5
    ### END SOLUTION

# %% test="verdict" points=2
# Checks a table by hand and two methods whose images differ more than they do; when graded, your own draw and the committed baselines.
from flowlib.teaching import close, generator, graded

@graded("verdict", paired=paired)
def _(paired):
    mean, error = paired(torch.tensor([[1.0, 5.0, 9.0]]), torch.tensor([[2.0, 4.0, 5.0]]))
    yield not close(mean, -4 / 3, 1e-5), "Ours minus theirs: a negative number says that ours are the smaller errors."
    yield close(mean, 4 / 3, 1e-5), "The differences are −1, 1 and 4, and their mean is 4/3."
    yield close(error, 1.452966, 1e-5), "The standard error of a mean of n numbers is their standard deviation (with n − 1) divided by √n."
    images = 100 * torch.rand(50, generator=generator("graded", "verdict"))
    mean, error = paired(torch.stack([images + 1, images + 3]), torch.stack([images, images]))
    yield close(mean, 2.0, 1e-4) and close(error, 0.0, 1e-4), "Each image is two worse than it was: pair the images, after averaging over the seeds."
### BEGIN HIDDEN TESTS
@graded("verdict", paired=paired)
def _(paired):
    from flowlib.experiments.tables import paired as reference

    own = torch.randn(2, 3, 40, generator=generator(STUDENT, "verdict"))
    rows = [[{"seed": seed, "metrics": values.tolist()} for seed, values in enumerate(one)] for one in own]
    truth = reference(*rows, list)
    yield close(torch.stack([torch.as_tensor(value) for value in paired(*own)]), truth, 1e-5), "It fails for three seeds."
    committed = by_method(read_results("comparison"))
    values = [[row["metrics"]["equivariance"]["rotation"] for row in committed[label]] for label in ("flow, k given", "VAE")]
    truth = reference(*(committed[label] for label in ("flow, k given", "VAE")), lambda metrics: metrics["equivariance"]["rotation"])
    found = torch.stack([torch.as_tensor(value) for value in paired(*torch.tensor(values, dtype=torch.float32))])
    yield close(found / torch.tensor(truth), [1.0, 1.0], 1e-3), "It fails on the committed results."
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · The project (10 points, graded by a reader)
#
# Change **one** thing, and measure what it does to the equivariance error of held-out digits. Either
#
# - *a model*: the motion, the loss or an option of yours, as a registered class (*turning* may be where you begin), on the three factors of the digits, against one of the committed baselines; or
# - *a transformation*: `@data.transformation("name", rest=0.0, full=1.0)` above your function of task 1, and the flow-factorized VAE (`model="flow"`) with `factors=(…, "name")`, against the same model without it, or against another model with it that you train too.
#
# The cell below trains with the settings of the committed comparison, so its baselines are comparable: `baseline("VAE", "hue")` gives the errors of a method for a factor, (seeds, images). The methods are the keys of `by_method(read_results("comparison"))`, among
# them `"flow, k given"`; the `"config"` in each of its rows is what a run was trained with (the learning rate of each method was chosen by a search). Training takes a few minutes a seed on one core: try `steps=100` in `SETTINGS` first, which gives large errors. Set `RUN` to
# `False` before you hand in, so that grading does not train again, and write what was printed (the mean error of each seed, ours and theirs) into the table.

# %%
RUN = False
SETTINGS = dataclasses.replace(BASE, model="turning", learning_rate=3e-3)

def measure(settings, seed, images=1000):
    """The error of each held-out image under each factor, factor → (images,), after training with a seed."""
    settings = dataclasses.replace(settings, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        model = training.train_run(folder, settings, data.load_sequences(settings), progress=False).model
    held_out = data.load_sequences(settings, "test")
    return {name: equivariance_error(model, held_out, k, images) for k, name in enumerate(settings.factors)}

def baseline(method, factor):
    """The committed errors of a method, (seeds, images), rounded to whole pixels."""
    rows = by_method(read_results("comparison"))[method]
    return torch.tensor([row["metrics"]["equivariance"][factor] for row in rows], dtype=torch.float32)

if RUN:
    started = time.perf_counter()
    measured = [measure(SETTINGS, seed) for seed in (0, 1, 2)]
    print(f"{(time.perf_counter() - started) / 60:.1f} minutes")
    for factor in SETTINGS.factors:
        ours = torch.stack([one[factor] for one in measured])
        if factor not in BASE.factors:  # your own transformation: no committed baseline has it, train one yourself (`measure` with other settings)
            print(f"{factor}: ours {ours.mean(1).round().tolist()}")
            continue
        theirs = baseline("VAE", factor)
        mean, error = paired(ours, theirs)
        print(f"{factor}: ours {ours.mean(1).round().tolist()}, theirs {theirs.mean(1).round().tolist()}, difference {mean:.1f}, standard error {error:.1f}")

# %% [markdown] manual="plan" points=2
# **The question.** What do you change, what do you expect to happen to which number, and why? What would make you give up your expectation? Write this before you measure (five sentences at most).
#
# *How it is graded.* 1 point: one change, and one number that it should move, in which direction. 1 point: a reason from the book's theory, and what would speak against it.
#
# ### BEGIN SOLUTION
# For instance: rotations keep lengths, so turning cannot move a code away from the prior, and a factor that grows (scale) should suffer more than one that comes back (hue). Equal errors of all factors would speak against it.
# ### END SOLUTION

# %% [markdown] manual="measurement" points=4
# **The measurement.** A table: your change and the baseline, for each factor the mean error with its smallest and largest seed, the paired difference and its standard error. Name the settings that differ from the baseline's, and all that do not follow from the table: seeds, steps, images, time.
#
# *How it is graded.* 1 point: at least three seeds, and the spread is shown. 1 point: the same data, steps and measure on both sides, or it is said where they differ. 1 point: paired differences with their standard errors. 1 point: the run can be repeated from what is written.
#
# ### BEGIN SOLUTION
# A table as described, and the line that was run.
# ### END SOLUTION

# %% [markdown] manual="conclusion" points=4
# **The paragraph.** What was found, as strong as the measurement allows and no stronger; what it means for the question; what you could not exclude; what you would measure next. About 150 words.
#
# *How it is graded.* 1 point: each claim is held by a number of the table, also where it is not the hoped-for one. 1 point: the spread between seeds is told apart from the error over images. 1 point: another explanation is named, and how one could test it. 1 point: it is clear to somebody who has only read the book.
#
# ### BEGIN SOLUTION
# A paragraph as described.
# ### END SOLUTION
