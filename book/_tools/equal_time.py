"""What the committed results say at equal processor time: the flow without noise against the others, after a short and a long training."""

from statistics import fmean as mean

from run_numbers import below_on_every_factor, per_image, pixels, rung, signed, steps, tight

from flowlib.experiments import tables
from flowlib.experiments.catalogue import MILLISECONDS
from flowlib.experiments.differences import difference

NOISELESS, WAVE, LINEAR, TURN, OWN_MATRIX, SLOW = "flow without noise", "PoFlow", "linear motion", "linear motion, skew", "MSP", "SlowVAE"


def equal_time_error(equal, full):
    """The errors, as (sentence, {condition: holds})."""
    short, long = ({label: tables.average(rows, pixels) for label, rows in runs.items()} for runs in (equal, full))
    found, later = (_against(runs, per_image) for runs in (equal, full))
    linear = min((LINEAR, TURN), key=short.get)
    text = (
        "**At equal processor time: ahead of PoFlow at once, of a linear motion with time.** Without noise between frames, and with Adam's memory searched for every method, "
        f"the flow errs {short[NOISELESS]:.0f} pixels after {steps(equal)} steps. In the same time PoFlow, whose penalty makes a step "
        f"{MILLISECONDS[WAVE] / MILLISECONDS[NOISELESS]:.1f} times as long, errs {short[WAVE]:.0f}, a linear motion {short[linear]:.0f} (p = {found[linear].p:.2f}), "
        f"MSP {short[OWN_MATRIX]:.0f}, SlowVAE {short[SLOW]:.0f}, and {_moved_best(equal[SLOW]):.0f} where the best of four operators moves its codes. "
        f"After {steps(full)} steps, which is `make train`, the flow errs {long[NOISELESS]:.0f}, on every factor less than PoFlow ({long[WAVE]:.0f}, p = {later[WAVE].p:.3f}), "
        f"a linear motion ({long[LINEAR]:.0f}, p = {later[LINEAR].p:.3f}; skew {long[TURN]:.0f}) and SlowVAE ({long[SLOW]:.0f}; {_moved_best(full[SLOW]):.0f} with the best operator)."
    )
    return text, {
        "below PoFlow on every factor": below_on_every_factor(equal[NOISELESS], equal[WAVE]),
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
    said = {label: f"{signed(one.mean)} ± {one.standard_error:.0f} (p = {one.p:.3f})" for label, one in found.items()}
    text = (
        "**And a higher likelihood per sequence: than SlowVAE's and PoFlow's; than a linear motion's, not shown.** After the same training, with a proposal fitted to each sequence and annealed "
        f"({drawn:.0f} effective draws of a hundred), the flow's differs by {said[SLOW]} nats from SlowVAE's, by {said[WAVE]} from PoFlow's, by {said[TURN]} from a skew linear motion's and by "
        f"{said[LINEAR]} from a free one's."
    )
    return text, {"above": all(found[label].clear and found[label].mean > 0 for label in (SLOW, WAVE)), "level": not found[LINEAR].clear}


def _against(runs, values):
    """The flow's difference from every other method."""
    return {label: difference(runs[NOISELESS], rows, values) for label, rows in runs.items() if label != NOISELESS}


def _moved_best(rows):
    """The error of codes that are moved by the best of the four operators."""
    return min(tables.average(rows, lambda metrics: mean(rung(name)(metrics))) for name in ("mean", "linear", "quadratic", "MLP"))
