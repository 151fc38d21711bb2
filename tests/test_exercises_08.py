"""Wrong answers to the exercises of chapter 8 are refused, the book's own are accepted."""

from exercises import verify

LATER = """
further = held_out.full_batch(list(range(50)), "rotation", steps=12)
with torch.no_grad():
    drawn = evaluation.decode_mean(trained, trained.transport(trained.encode(further.frames[:, 0]).mean, 1, 12))
error = evaluation.frame_errors(further.frames, drawn)
still = evaluation.frame_errors(further.frames, further.frames[:, :1])
"""

WRONG = {
    "ex-ffvae-kernel": [
        "def extra(r, d):\n    return d / 2 * (r - 1 + math.log(r))",
        "def extra(r, d):\n    return (r - 1 - math.log(r)) / 2",  # one dimension only
        "def extra(r, d):\n    return d / 2 * (r**2 - 1 - 2 * math.log(r))",  # r taken for a ratio of widths
        "def extra(r, d):\n    return d / 2 * (1 / r - 1 + math.log(r))",  # KL[p ‖ q]
        "def extra(r, d):\n    return d * (r - 1 - math.log(r))",
        "def extra(r, d):\n    return d / 2 * (r - math.log(r))",
        "def extra(r, d):\n    return d / 2 * (r - 1 - math.log(r) / 2)",
        "def extra(r, d):\n    return (r - 1 - r.log()) / 2 * torch.ones(d)",  # not added up
    ],
    "ex-ffvae-diffusion": [
        "def best_diffusion(b, s):\n    return b / 2",
        "def best_diffusion(b, s):\n    return s**2 * b / 2",
        "def best_diffusion(b, s):\n    return b / (2 * s)",
        "def best_diffusion(b, s):\n    return s * b",
        "def best_diffusion(b, s):\n    return s * b**2 / 1.5",  # agrees at b = 0.75 alone
    ],
    "ex-ffvae-rowsums": [
        'true_mean, claimed_mean, direction = 2.550, -3.649, "up"',  # the entropy itself
        'true_mean, claimed_mean, direction = -3.1256, -3.649, "up"',  # the determinant's sign
        'true_mean, claimed_mean, direction = 0.2877, -0.811, "up"',  # the change alone
        'true_mean, claimed_mean, direction = -2.550, -2.8379, "up"',  # the trace
        'true_mean, claimed_mean, direction = -2.550, -2.0270, "up"',  # row sums added
        'true_mean, claimed_mean, direction = -2.550, -3.2434, "up"',  # one row only
        'true_mean, claimed_mean, direction = -2.550, -3.649, "down"',
    ],
    "ex-ffvae-continue": [
        LATER + "later_error, later_still = error.sum(1).mean(), still.sum(1).mean()",
        LATER + "later_error, later_still = error[:, 1:9].sum(1).mean(), still[:, 1:9].sum(1).mean()",
        LATER + "later_error, later_still = error[:, 9:].mean(), still[:, 9:].mean()",
        LATER + "later_error, later_still = error[:, 8:].sum(1).mean(), still[:, 8:].sum(1).mean()",
        LATER + "later_error, later_still = error[:, 9:].sum(1).mean(), torch.tensor(1e9)",
        LATER + "later_error, later_still = still[:, 9:].sum(1).mean(), error[:, 9:].sum(1).mean()",
    ],
}


def test_exercises():
    verify("08_flow_factorized_vae", WRONG)
