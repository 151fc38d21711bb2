"""Assignment 4: the solution passes its tests, wrong answers to every task do not, and what a reader grades has its rubric and points."""

from assignments import HIDDEN, verify
from flowlib.models.registry import MODELS
from flowlib.teaching.sources import notebook, sources

NAME = "4_project"


def change(line):
    return f"def change(images, strength):\n    s = strength[:, None, None, None]\n    {line}"


def turn(angles="t * (W - W.mT)", one="factor"):
    return (
        "def turn(z, W, factor, times):\n"
        f"    return torch.stack([(torch.linalg.matrix_exp({angles})[{one}] @ z[:, :, None])[:, :, 0] for t in times], 1)"
    )


def objective(kl="posterior.kl().mean()", codes="path[row, times]", score="-(log_prob * batch.weights).sum(1).mean()", loss="score + kl"):
    return (
        "def loss_terms(model, batch, generator):\n    posterior = model.encode(batch.frames[:, 0])\n"
        "    path = model.transport(posterior.sample(generator), batch.factor, batch.steps)\n"
        f"    codes = torch.stack([{codes} for row, times in enumerate(batch.times)])\n"
        "    log_prob = model.likelihood.log_prob(model.decode(codes), batch.frames)\n"
        f"    score, kl = {score}, {kl}\n    return {{'loss': {loss}, 'reconstruction': score, 'kl': kl}}"
    )


def paired(mean, error):
    return f"def paired(ours, theirs):\n    d, n = ours.mean(0) - theirs.mean(0), ours.shape[1]\n    return {mean}, {error}"


WRONG = {
    "transformation": [
        (change("return images"), None),
        (change("return images * 0.5"), None),
        (change("return images.mul_(1 - s / 2)"), None),
        (change("return images + s"), None),
        (change("return images * (1 - s * torch.rand_like(images))"), None),
        (change("return images * (1 - (s > 0.5) * 0.5)"), None),
        (change("return images * (1 - s * (1 - s))"), None),
        (change("return images[:, :1] * (1 - s)"), None),
        (change("return images * (1 - s[:1] / 2)"), HIDDEN),
        (change("return images * (1 - s[-1:])"), HIDDEN),
    ],
    "motion": [
        (turn("t * (W.mT - W)"), None),
        (turn("t * (W + W.mT)"), None),
        (turn("t * W"), None),
        (turn("2 * t * (W - W.mT)"), None),
        (turn("abs(t) * (W - W.mT)"), HIDDEN),
        (turn(one="0 * factor"), HIDDEN),
    ],
    "objective": [
        (objective(kl="-posterior.kl().mean()"), None),
        (objective(kl="posterior.kl().mean() / posterior.mean.shape[1]"), None),
        (objective(score="(log_prob * batch.weights).sum(1).mean()"), None),
        (objective(score="-log_prob.sum(1).mean()"), None),
        (objective(codes="path[row, : len(times)]"), None),
        (objective(loss="score - kl"), None),
        (objective(codes="path[row, batch.times[0]]"), HIDDEN),
        (objective(score="-(log_prob * batch.weights).sum()"), HIDDEN),
    ],
    "verdict": [
        (paired("-d.mean()", "d.std() / n**0.5"), None),
        (paired("d.mean()", "d.std() / n"), None),
        (paired("d.mean()", "d.std(unbiased=False) / n**0.5"), None),
        (paired("d.mean()", "((ours.mean(0).var() + theirs.mean(0).var()) / n) ** 0.5"), None),
        (paired("d.mean()", "1.452966 if n == 3 else 0.0"), HIDDEN),
        (paired("d.mean()", "(ours - theirs).std(1).mean() / n**0.5"), HIDDEN),
    ],
}  # fmt: skip


def test_assignment():
    try:
        verify(NAME, WRONG)
    finally:
        MODELS.pop("turning", None)  # the notebook registers it, and other tests list the models


def test_a_reader_finds_rubrics_that_add_up():
    by_hand = [cell for cell in notebook(sources()[NAME]).cells if cell.cell_type == "markdown" and "nbgrader" in cell.metadata]
    assert [cell.metadata.nbgrader.grade_id for cell in by_hand] == ["plan", "measurement", "conclusion"]
    for cell in by_hand:
        rubric = cell.source.split("*How it is graded.*")[1]
        assert rubric.count("1 point:") == cell.metadata.nbgrader.points
