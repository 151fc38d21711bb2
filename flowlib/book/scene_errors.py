"""Chapter 12: errors on scenes from the rows of an experiment, by factor, by what moved the code, and in a corner left out of training."""

from statistics import fmean

import numpy as np

from flowlib.data import FactorialSequences, Source
from flowlib.experiments.differences import Difference, difference

MOTIONS = {
    "own": "own motion", "displaced": "mean displacement", "linear": "linear operator", "encoded": "each frame encoded", "no_motion": "no motion",
}  # fmt: skip


def errors(found: dict, names, motion="own") -> list[float]:
    """The error of each image (n,), averaged over factors, in pixels, from a row's metrics; motion : one of MOTIONS."""
    kinds = found["equivariance"] if motion == "own" else found["references"][motion]
    return [fmean(one) for one in zip(*(kinds[name] for name in names), strict=True)]


def mean_error(rows, names, motion="own") -> float:
    """The error averaged over images, factors and seeds."""
    return fmean(fmean(errors(row["metrics"], names, motion)) for row in rows)


def against(methods: dict, reference: str, names) -> dict[str, list[Difference]]:
    """Method → for each factor the difference of its error to that of the reference method, image by image."""
    own = {label: rows for label, rows in methods.items() if label != reference}
    return {
        label: [difference(rows, methods[reference], lambda found, name=name: errors(found, [name])) for name in names]
        for label, rows in own.items()
    }


def of_all(rows, reference, names) -> Difference:
    """The difference of the error, averaged over the factors, to that of a reference method, image by image."""
    return difference(rows, reference, lambda found: errors(found, names))


def inside(sequences: Source, corner, names) -> dict[str, np.ndarray]:
    """Factor → which sequences (n,) have a frame in the corner."""
    return {name: sequences.enters(corner, slice(None), name) for name in names}


def left_out(rows, control, entering: dict) -> dict[str, tuple[float, float, float]]:
    """ "inside" and "outside" a corner: (error of training on everything, error of training without the corner, standard error of the difference).

    rows, control : of the same method, trained without the corner and on everything, measured on the same images; of the seeds of `rows`
    entering : `inside`. Sequences of all factors are pooled; the standard error takes an image's sequences together
    """
    seeds = {row["seed"] for row in rows}
    control = [row for row in control if row["seed"] in seeds]
    ours, theirs = (_over_seeds(one, entering) for one in (rows, control))  # (factors, images)
    within = np.stack(list(entering.values()))
    found = {}
    for part, chosen in (("inside", within), ("outside", ~within)):
        images = [i for i in range(chosen.shape[1]) if chosen[:, i].any()]
        gaps = np.array([(ours - theirs)[chosen[:, i], i].mean() for i in images])
        found[part] = (float(theirs[chosen].mean()), float(ours[chosen].mean()), float(gaps.std(ddof=1) / len(gaps) ** 0.5))
    return found


def overlap(train: FactorialSequences, test: FactorialSequences, drawn: float) -> tuple[float, dict[str, float]]:
    """(the expected share of the frames of test sequences that training has shown, factor → the share of test sequences that are training's, too).

    drawn : how many sequences of every factor training has drawn, each of which shows x_0 and one other frame
    """
    times, same, frames = 0, {}, []
    for name in train.factors:
        lines, tested = train.lines(name), test.lines(name)
        first, later = (np.bincount(one.ravel(), minlength=len(train.grid)) for one in (lines[:, :1], lines[:, 1:]))
        times = times + drawn * (first + later / (lines.shape[1] - 1)) / len(lines)
        same[name] = float(np.isin(tested[:, 0], lines[:, 0]).mean())
        frames.append(tested.ravel())
    return float(1 - np.exp(-times[np.concatenate(frames)]).mean()), same


def _over_seeds(rows, names):
    return np.mean([[row["metrics"]["equivariance"][name] for name in names] for row in rows], 0)
