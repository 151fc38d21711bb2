"""What the committed results say at equal processor time: the flow without noise against the others, after a short and a long training."""

from math import log
from statistics import fmean as mean

from run_numbers import LINEAR, PRIOR_FREE, SLOW, TURN, below_on_every_factor, fitted, of_factor, per_image, pixels, rung, steps, tight
from run_numbers import searched as each_searched

from flowlib.experiments import tables
from flowlib.experiments.differences import difference
from flowlib.experiments.measures.operators import RUNGS
from flowlib.experiments.settings import TURNING_STEPS
from flowlib.models import bits_per_dimension

NOISELESS = "flow without noise"
VALUES = 9 * 3 * 28**2  # of a sequence of digits
CLOSED = 3  # nats between the two sides of a sandwich
ROTATING = "rotation"  # as the experiments call it
rotation = of_factor("rotation")


def equal_time_error(equal, full, sharp, turned, turned_full):
    """The errors, as (sentence, {condition: holds}).

    turned, turned_full : experiments that have the flow with a rotation beside its gradient, in as many steps as `equal` and as `full`
    """
    short, long, drawn = ({label: tables.average(rows, pixels) for label, rows in runs.items()} for runs in (equal, full, sharp))
    found, later, last = (_against(runs, per_image) for runs in (equal, full, sharp))
    linear = min((LINEAR, TURN), key=short.get)
    worth = _tenth_more(equal, full, drawn[PRIOR_FREE])
    turning, still, level = (difference(runs[NOISELESS], runs[LINEAR], rotation) for runs in (equal, full, sharp))
    turn = difference(turned[ROTATING], equal[NOISELESS], per_image)
    turn_full = difference(turned_full[ROTATING], full[NOISELESS], per_image)
    text = (
        "**At equal processor time: ahead of PoFlow at once, of a linear motion with time.** Without noise, and with Adam's β₂ (its memory of squared gradients) searched for all (briefly: one seed, about 800 steps of the flow), the flow errs "
        f"{short[NOISELESS]:.0f} pixels after {steps(equal)} steps; in the same time PoFlow errs {short[PRIOR_FREE]:.0f}, a linear motion {short[linear]:.0f} ({found[linear].chance}; less on rotation) and "
        f"SlowVAE {short[SLOW]:.0f}, or {_moved_best(equal[SLOW]):.0f} where the best of four operators moves its codes (of 150 digits). After {steps(full)} steps it errs "
        f"{long[NOISELESS]:.0f}; PoFlow {long[PRIOR_FREE]:.0f} ({later[PRIOR_FREE].chance}), a linear motion {long[LINEAR]:.0f} ({later[LINEAR].chance}; on rotation {still.chance}), "
        f"SlowVAE {long[SLOW]:.0f}, or {_moved_best(full[SLOW]):.0f}. In the same time with sharper networks (`make train`) it errs {drawn[NOISELESS]:.0f}: PoFlow "
        f"{drawn[PRIOR_FREE]:.0f} ({last[PRIOR_FREE].chance}), a linear motion {drawn[LINEAR]:.0f} ({last[LINEAR].chance}; level on rotation), SlowVAE {drawn[SLOW]:.0f}, or {_moved_best(sharp[SLOW]):.0f}. (Steps were dealt out by the time of a step, measured "
        f"beforehand: a tenth more of them would be worth some {worth:.0f} of these last {-last[PRIOR_FREE].mean:.0f} pixels to PoFlow.) "
        f"A rotation beside the gradient, in as many steps, each {TURNING_STEPS[ROTATING] / TURNING_STEPS[NOISELESS] - 1:.0%} longer, is no clear gain: {tables.average(turned[ROTATING], pixels):.0f} after {steps(equal)} "
        f"({turn.chance}; on every factor less than the flow, PoFlow and the linear motion), {tables.average(turned_full[ROTATING], pixels):.0f} after {steps(full)} ({turn_full.chance}); what it is good for comes beyond the trained steps."
    )
    return text, {
        "below PoFlow on every factor": below_on_every_factor(equal[NOISELESS], equal[PRIOR_FREE]),
        "clear": all(one.clear and one.mean < 0 for label, one in found.items() if label not in (LINEAR, TURN)),
        "level at first": not found[linear].clear,
        "worse on rotation at first": turning.clear and turning.mean > 0, "level on rotation in the end": not still.clear,
        "below all on every factor in the end": all(below_on_every_factor(full[NOISELESS], full[label]) for label in later),
        "clear in the end": all(one.clear and one.mean < 0 for one in later.values()),
        "free is the better linear motion": long[LINEAR] < long[TURN],
        "sharper for all": all(drawn[label] < long[label] for label in drawn if label != SLOW),
        "below the others on every factor where sharper": all(below_on_every_factor(sharp[NOISELESS], sharp[label]) for label in last if label != LINEAR),
        "level on rotation": not level.clear,
        "time is not all of it": 0 < worth < -last[PRIOR_FREE].mean,
        "with a rotation less on every factor": all(below_on_every_factor(turned[ROTATING], equal[label]) for label in (NOISELESS, LINEAR, PRIOR_FREE)),
        "not clear with a rotation": turn.mean < 0 and not turn.clear and not turn_full.clear,
        "clear where sharper": all(one.clear and one.mean < 0 for one in last.values()),
    }  # fmt: skip


def equal_time_bits(bits, full, sharp, searched):
    """Proper likelihoods of whole sequences, and the errors beside them, as (sentence, {condition: holds})."""
    found, apart = (_against(bits, values) for values in (fitted, per_image))
    pseudo, drawn, near = _against(full, tight("sequence"))[LINEAR], _against(sharp, fitted)[LINEAR], found[LINEAR]
    needed = bits_per_dimension(tables.average(bits[NOISELESS], lambda metrics: mean(fitted(metrics))), VALUES)
    leads = {label: sorted(_leads(bits[NOISELESS], bits[label])) for label in found}
    ahead = {
        label: f"{one.mean:.0f} ± {one.standard_error:.0f} nats ({leads[label][0]:.0f} … {leads[label][-1]:.0f})"
        for label, one in found.items()
    }
    turned = {label: tables.average(bits[label], lambda metrics: mean(rotation(metrics))) for label in (NOISELESS, LINEAR)}
    closed = {label: [abs(gap) <= CLOSED for gap in _gaps(rows, "tight_likelihood")] for label, rows in bits.items()}
    gaps = _gaps(searched[NOISELESS], "searched_likelihood")
    widest = {label: _thousands(_gaps(bits[label], "tight_likelihood") + (gaps if label == NOISELESS else [])) for label in (NOISELESS, SLOW)}
    longer = [abs(gap) <= CLOSED for gap in gaps]
    anew = difference(searched[NOISELESS], searched[LINEAR], each_searched)
    slow_errors = [tables.average(runs[SLOW], pixels) for runs in (bits, full)]
    slow_draws = tables.average(bits[SLOW], lambda metrics: mean(metrics["fitted_likelihood"]["effective_samples"]))
    text = (
        f"**The highest bound per sequence: where it is of a proper likelihood.** With a discretised logistic density of 8-bit values, at the longer of these times, the flow's "
        f"sequences take {needed:.3f} bits per value (± over digits, in brackets the range of three seeds): {ahead[PRIOR_FREE]} above PoFlow's, {ahead[LINEAR]} above a free linear motion's ({near.chance}), {ahead[SLOW]} above SlowVAE's. "
        f"Sandwiches close for {sum(closed[NOISELESS])} of its {len(closed[NOISELESS])} ({sum(longer)} in runs made anew, their modes looked for at length), {sum(closed[LINEAR])} of that motion's, {sum(closed[PRIOR_FREE])} of PoFlow's, {sum(closed[SLOW])} of SlowVAE's; open ones reach {widest[NOISELESS]} thousand nats, SlowVAE's {widest[SLOW]} thousand. "
        f"In the runs made anew, of four digits each, the lead over that motion is {anew.mean:.0f} ± {anew.standard_error:.0f} nats, {anew.chance}: not clear. "
        f"Settings are those searched with the Bernoulli; SlowVAE errs more with them here ({slow_errors[0]:.0f} pixels, {slow_errors[1]:.0f} there), and its bound rests on {slow_draws:.0f} effective draws of a hundred. "
        f"The flow's mean error is the smallest ({tables.average(bits[NOISELESS], pixels):.0f} pixels, the linear motion's {tables.average(bits[LINEAR], pixels):.0f}), "
        f"not so on rotation ({turned[NOISELESS]:.0f}, {turned[LINEAR]:.0f}). With the Bernoulli's pseudo-likelihood the lead over the free linear motion is not clear: {pseudo.mean:.0f} ± {pseudo.standard_error:.0f} nats, with sharper networks {drawn.mean:.0f} ± {drawn.standard_error:.0f} ({drawn.chance})."
    )
    return text, {
        "above all": all(one.mean > 0 and one.clear for one in found.values()),
        "below all": all(one.clear and one.mean < 0 for one in apart.values()),
        "turns worse": turned[LINEAR] < turned[NOISELESS], "not clear anew": not anew.clear, "open by thousands": max(gaps) > 2000, "SlowVAE errs more": slow_errors[0] > slow_errors[1], "level": not any(one.clear or one.mean < 0 for one in (pseudo, drawn)),
    }  # fmt: skip


def _tenth_more(equal, full, error):
    """Pixels that a tenth more steps would take from PoFlow's error: it falls as a power of the steps, from `equal` to `full`."""
    errors, counts = zip(*((tables.average(runs[PRIOR_FREE], pixels), runs[PRIOR_FREE][0]["config"]["steps"]) for runs in (equal, full)))
    return error * (1 - 1.1 ** -(log(errors[0] / errors[1]) / log(counts[1] / counts[0])))


def _gaps(rows, measure):
    return [gap for row in rows for gap in row["metrics"][measure]["gap"]]


def _thousands(gaps):
    return round(max(gaps) / 1000)


def _leads(ours, theirs):
    """Of each seed, the mean over the sequences."""
    own, other = ({row["seed"]: mean(fitted(row["metrics"])) for row in rows} for rows in (ours, theirs))
    return [own[seed] - other[seed] for seed in own]


def _against(runs, values):
    """The flow's difference from every other method."""
    return {label: difference(runs[NOISELESS], rows, values) for label, rows in runs.items() if label != NOISELESS}


def _moved_best(rows):
    """The error of codes that are moved by the best of the four operators."""
    return min(tables.average(rows, lambda metrics: mean(rung(name)(metrics))) for name in RUNGS if name != "floor")
