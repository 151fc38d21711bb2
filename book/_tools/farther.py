"""What the committed results say beyond the trained steps."""

from statistics import fmean as mean

from run_numbers import LAST, LINEAR, SLOW, TURN, beyond, steps

from flowlib.experiments import tables
from flowlib.experiments.differences import LEVEL, difference

FLOW = "flow, k given"
FARTHEST = "rotation, late starts, agreement"


def extrapolation(comparison, code_alone, turned):
    """The errors beyond the trained steps, as (sentence, {condition: holds}); code_alone : the methods that learn no motion."""

    def each(kind):
        return lambda metrics: [sum(one) for one in beyond(kind, metrics).values()]

    def total(label, kind="error"):
        return tables.average(comparison[label], lambda metrics: mean(each(kind)(metrics)))

    ours, free, skew, still = total(FLOW), total(LINEAR), total(TURN), total(FLOW, "no_motion")
    without = {label: total(label) for label in code_alone}
    found = {label: difference(comparison[label], comparison[FLOW], each("error")) for label in (SLOW, LINEAR, TURN)}
    names = list(comparison[FLOW][0]["metrics"]["long"])
    last = {name: [tables.average(comparison[FLOW], lambda metrics: beyond(kind, metrics)[name][-1]) for kind in ("error", "no_motion")]
            for name in names}  # fmt: skip
    text = (
        f"**Flows that extrapolate: for a while, and farther where they may turn and have seen later places.** Over the steps 9 to {LAST} the flow errs less than every method that learns no motion, and less "
        f"than showing the first frame throughout; at step {LAST} that frame is the better guess for {_listed(name for name in names if last[name][0] > last[name][1])}. "
        f"SlowVAE, the best of these methods, errs {100 * (without[SLOW] / ours - 1):.0f} % more than the flow ({found[SLOW].chance}), a free linear motion {100 * (1 - free / ours):.0f} % less, a skew-symmetric one "
        f"{100 * (skew / ours - 1):.0f} % more ({found[TURN].chance}). After {steps(turned)} steps without noise and time label, from starts that are late in half of the sequences, and with codes drawn to the encoder's, "
        f"a flow with a rotation beside its gradient errs less than the first frame at each of these steps, for every factor and seed, and per step {_times(turned[FARTHEST])} as much as in the trained ones "
        f"({', '.join(names)}; as a gradient alone, not drawn, {_times(turned['late starts'])}; a free linear motion with late starts {_times(turned['linear motion, late starts'])})."
    )
    return text, {
        "ahead": ours < min(still, *without.values()),
        "the best": without[SLOW] == min(without.values()),
        "farther": free < ours and found[LINEAR].p < LEVEL,
        "less far": skew > ours,
        "better than the first frame everywhere": all(
            error < still
            for row in turned[FARTHEST]
            for name in names
            for error, still in zip(*(beyond(kind, row["metrics"])[name] for kind in ("error", "no_motion")), strict=True)
        ),
        "less per step": all(one < other for one, other in zip(_per_step(turned[FARTHEST]), _per_step(turned["late starts"]), strict=True)),
    }


def _per_step(rows):
    """The error of a step after the trained ones over that of a trained one, for every factor."""
    half = LAST // 2
    curves = {name: [row["metrics"]["long"][name]["error"] for row in rows] for name in rows[0]["metrics"]["long"]}
    return [mean(mean(one[half:]) for one in of) / mean(mean(one[:half]) for one in of) for of in curves.values()]


def _times(rows):
    return ", ".join(f"{one:.2f}" for one in _per_step(rows)) + " times"


def _listed(names):
    return " and ".join(names)
