"""What the committed results say at equal processor time: the flow without noise against the others, after a short and a long training."""

from statistics import fmean as mean

from run_numbers import LINEAR, PRIOR_FREE, SLOW, TURN, below_on_every_factor, per_image, pixels, rung, steps, tight

from flowlib.experiments import tables
from flowlib.experiments.differences import difference
from flowlib.experiments.measures.operators import RUNGS

NOISELESS = "flow without noise"


def equal_time_error(equal, full):
    """The errors, as (sentence, {condition: holds})."""
    short, long = ({label: tables.average(rows, pixels) for label, rows in runs.items()} for runs in (equal, full))
    found, later = (_against(runs, per_image) for runs in (equal, full))
    linear = min((LINEAR, TURN), key=short.get)
    text = (
        "**At equal processor time: ahead of PoFlow at once, of a linear motion with time.** Without noise between frames, and with Adam's memory searched for all, the flow errs "
        f"{short[NOISELESS]:.0f} pixels after {steps(equal)} steps; in the same time PoFlow errs {short[PRIOR_FREE]:.0f}, a linear motion {short[linear]:.0f} (p = {found[linear].p:.2f}) and "
        f"SlowVAE {short[SLOW]:.0f}, or {_moved_best(equal[SLOW]):.0f} where the best of four operators moves its codes. After {steps(full)} steps (`make train`) it errs "
        f"{long[NOISELESS]:.0f}, on every factor less than PoFlow ({long[PRIOR_FREE]:.0f}, {_chance(later[PRIOR_FREE].p)}), a linear motion ({long[LINEAR]:.0f}, {_chance(later[LINEAR].p)}) "
        f"and SlowVAE ({long[SLOW]:.0f}, or {_moved_best(full[SLOW]):.0f})."
    )
    return text, {
        "below PoFlow on every factor": below_on_every_factor(equal[NOISELESS], equal[PRIOR_FREE]),
        "clear": all(one.clear and one.mean < 0 for label, one in found.items() if label not in (LINEAR, TURN)),
        "level at first": not found[linear].clear,
        "below all on every factor in the end": all(below_on_every_factor(full[NOISELESS], full[label]) for label in later),
        "clear in the end": all(one.clear and one.mean < 0 for one in later.values()),
        "free is the better linear motion": long[LINEAR] < long[TURN],
    }  # fmt: skip


def equal_time_nats(full):
    """Tight likelihoods of whole sequences after the long training, as (sentence, {condition: holds})."""
    found = _against(full, tight("sequence"))
    drawn = tables.average(full[NOISELESS], lambda metrics: mean(metrics["tight_likelihood"]["sequence_effective_samples"]))
    digits = len(tight("sequence")(full[NOISELESS][0]["metrics"]))
    said = {label: f"{one.mean:.0f} ± {one.standard_error:.0f} above" for label, one in found.items()}
    text = (
        "**And a higher likelihood per sequence: than SlowVAE's and PoFlow's; than a linear motion's, not shown.** With fitted and annealed proposals "
        f"({drawn:.0f} effective draws of a hundred; {digits} digits under every factor) the flow's is {said[SLOW]} SlowVAE's, {said[PRIOR_FREE]} PoFlow's ({_chance(found[PRIOR_FREE].p)}) and "
        f"{said[LINEAR]} a free linear motion's ({_chance(found[LINEAR].p)}), in nats."
    )
    return text, {
        "above": all(found[label].clear and found[label].mean > 0 for label in (SLOW, PRIOR_FREE)),
        "level": not found[LINEAR].clear and found[LINEAR].mean > 0,
    }


def _against(runs, values):
    """The flow's difference from every other method."""
    return {label: difference(runs[NOISELESS], rows, values) for label, rows in runs.items() if label != NOISELESS}


def _chance(p):
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _moved_best(rows):
    """The error of codes that are moved by the best of the four operators."""
    return min(tables.average(rows, lambda metrics: mean(rung(name)(metrics))) for name in RUNGS if name != "floor")
