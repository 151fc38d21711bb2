"""What the committed results say about the methods: each verdict in one wording, for the README and for chapter 10.

A sentence may stand only while its condition holds for the results, and its numbers are taken from them.
"""

from functools import cache
from statistics import fmean as mean

from equal_time import NOISELESS, equal_time_bits, equal_time_error
from farther import FLOW, extrapolation
from run_numbers import (
    LINEAR,
    OWN_MATRIX,
    PRIOR_FREE,
    SLOW,
    TURN,
    below_on_every_factor,
    composed,
    nats,
    of_factor,
    per_image,
    pixels,
    steps,
    tight,
)  # fmt: skip

from flowlib.experiments import tables
from flowlib.experiments.differences import LEVEL, difference, welch_p
from flowlib.experiments.measures.composition import labels_of, superposition_ratio, switch_ratio
from flowlib.experiments.measures.equivariance import mean_error

FLOWS = (FLOW, "flow, k inferred", PRIOR_FREE)
PROGRAMS = "programs alone"
TOGETHER = (*FLOWS, LINEAR, TURN, OWN_MATRIX)  # their motion is learned together with the code


def verdicts(read=tables.read_results) -> list[str]:
    """All of them, in the order of the chapter."""
    of = cache(lambda name: tables.by_method(read(name)))
    comparison, tight_runs, equal, full, sharp = map(of, ("comparison", "tight", "equal-time", "equal-time-full", "sharp"))
    made = [
        _error(comparison, of("longer")), _operator(comparison, of("operators")), _turn(comparison, of("search")),
        equal_time_error(equal, full, sharp, of("turning"), of("turning-full")), equal_time_bits(of("bits"), full, sharp, of("bits-searched")),
        _sequence(comparison, tight_runs), _frame(tight_runs), _poflow(comparison, of("longer")),
        _labels(comparison), _composition(comparison), extrapolation(comparison, _without(comparison), of("turning")), _parts(of("ablations")),
        _noise(of("ablations"), of("apart")),
        _programs(comparison, (of("composed-apart"), equal), (of("composed-full"), full), (of("composed-sharp"), sharp), of("control")),
    ]  # fmt: skip
    return [_sentence(*one) for one in made]


def _sentence(text, conditions):
    if failed := [name for name, holds in conditions.items() if not holds]:
        raise SystemExit(f"this no longer holds in data/results ({', '.join(failed)}): {text}")
    return text


def _without(comparison):
    """Methods that learn a code and no motion."""
    return [label for label in comparison if label not in TOGETHER]


def _error(comparison, longer):
    best = min(_without(comparison), key=lambda label: tables.average(comparison[label], pixels))
    ratios = [tables.average(runs[FLOW], pixels) / tables.average(runs[SLOW], pixels) for runs in (comparison, longer)]
    text = (
        "**Closer to equivariance: yes, than methods that learn a code and no motion.** The flow errs less than each of them, on every factor. "
        f"Its error is {ratios[0]:.2f} times that of SlowVAE, the best of these, after {steps(comparison)} steps and {ratios[1]:.2f} times after "
        f"{steps(longer)}; but SlowVAE's code is moved by a mean displacement, which was our choice."
    )
    return text, {
        "every factor": all(below_on_every_factor(comparison[FLOW], comparison[label]) for label in _without(comparison)),
        "clear": all(difference(comparison[FLOW], comparison[label], per_image).clear for label in _without(comparison)),
        "SlowVAE is the best": best == SLOW,
    }  # fmt: skip


def _operator(comparison, operators):
    found = difference(comparison[FLOW], operators[SLOW], per_image)
    ours, theirs = tables.average(comparison[FLOW], pixels), tables.average(operators[SLOW], pixels)
    text = (
        f"**A better code: with noise, not shown.** Moved by a linear regression, SlowVAE's code errs {theirs:.0f} pixels, the flow {ours:.0f} "
        f"({found.chance} between seeds)."
    )
    return text, {"not clear": not found.clear}


def _sequence(comparison, short):
    seemed = difference(comparison[FLOW], comparison[SLOW], nats("sequence")).mean
    apart = {label: difference(short[FLOW], short[label], tight("sequence")) for label in ("VAE", SLOW, PRIOR_FREE, TURN)}
    text = (
        "**A higher likelihood per sequence: than the VAE's; than SlowVAE's, not shown.** With a proposal fitted to each sequence and annealed, after "
        f"{steps(short)} steps, the flow's lies {apart['VAE'].mean:.0f} nats above the VAE's and {-apart[SLOW].mean:.0f} ± {apart[SLOW].standard_error:.0f} below "
        f"SlowVAE's ({apart[SLOW].chance} between seeds); with the encoders' proposals, after {steps(comparison)} steps, that seemed to be {_signed(seemed)}. "
        f"PoFlow's is {-apart[PRIOR_FREE].mean:.0f} nats above the flow's, a skew-symmetric linear motion's {-apart[TURN].mean:.0f}."
    )
    return text, {
        "above the VAE": apart["VAE"].clear and apart["VAE"].mean > 0, "not above SlowVAE": apart[SLOW].mean < 0 and not apart[SLOW].clear,
        "below": all(apart[label].clear and apart[label].mean < 0 for label in (PRIOR_FREE, TURN)),
    }  # fmt: skip


def _frame(short):
    level = {
        label: [mean(tight("frame")(row["metrics"])) for row in sorted(short[label], key=lambda row: row["seed"])]
        for label in (FLOW, "VAE", SLOW)
    }
    ahead = {label: [theirs - ours for ours, theirs in zip(level[FLOW], level[label], strict=True)] for label in ("VAE", SLOW)}
    digits = len(tight("frame")(short[FLOW][0]["metrics"]))
    text = (
        f"**A higher likelihood per frame: no sign of it.** On {_word(digits)} digits under every factor, after {steps(short)} steps and with the same kind of "
        f"proposals for all, the VAE's is {mean(ahead['VAE']):.0f} nats higher and SlowVAE's {mean(ahead[SLOW]):.0f}, in each of {_word(len(level[FLOW]))} pairs of runs."
    )
    return text, {"below in each": all(one > 0 for found in ahead.values() for one in found)}


def _turn(comparison, search):
    errors = {label: tables.average(comparison[label], pixels) for label in TOGETHER}
    ahead = [difference(comparison[label], comparison[other], per_image) for label in (LINEAR, TURN) for other in (PRIOR_FREE, FLOW)]
    noisy = {label: _searched(search, label, "diffusion") for label in (FLOW, LINEAR, TURN)}
    alike = difference(comparison[OWN_MATRIX], comparison[FLOW], per_image)
    text = (
        f"**Potentials or a linear motion: the linear one, on rotation.** After {steps(comparison)} steps z_t = exp(tA_k) z_0, whose A_k is learned together with the code, errs "
        f"{errors[LINEAR]:.0f} pixels, {errors[TURN]:.0f} where A_k is skew; PoFlow {errors[PRIOR_FREE]:.0f}, level with the free one but for rotation, the flow {errors[FLOW]:.0f}. Only the flow has noise "
        f"between frames; with noise for all, the search (one seed, a third of these steps or less) has no lead (flow {noisy[FLOW]:.0f}, linear motion {noisy[LINEAR]:.0f} and {noisy[TURN]:.0f}). MSP, told no factor, solves for a matrix of each sequence and errs {errors[OWN_MATRIX]:.0f}, not clearly more than the flow ({alike.chance})."
    )
    by_factor = {
        name: difference(comparison[LINEAR], comparison[PRIOR_FREE], of_factor(name))
        for name in comparison[LINEAR][0]["metrics"]["equivariance"]
    }
    return text, {"ahead": all(one.clear and one.mean < 0 for one in ahead), "level but for rotation": [name for name, one in by_factor.items() if one.clear] == ["rotation"], "alike": alike.mean > 0 and not alike.clear,
                  "no lead": noisy[FLOW] < min(noisy[LINEAR], noisy[TURN])}  # fmt: skip


def _searched(search, label, prior):
    """The least error, on the images that were set aside, of the candidates for a method that have this prior."""
    rows = [row for name, found in search.items() if name.rsplit(" ", 1)[0] == label for row in found if row["config"]["prior"] == prior]
    return min(mean_error(row["metrics"]["validation"]) for row in rows)


def _poflow(comparison, longer):
    found = [(difference(runs[FLOW], runs[PRIOR_FREE], values), sign) for runs in (comparison, longer)
             for values, sign in ((per_image, 1), (nats("frame"), -1), (nats("sequence"), -1))]  # fmt: skip
    text = (
        "**PoFlow**, the older model with potentials, has a smaller error than the flow-factorized model and higher bounds, "
        f"after {steps(comparison)} steps and after {steps(longer)}."
    )
    return text, {"clear": all(one.clear and one.mean * sign > 0 for one, sign in found)}


def _labels(comparison):
    given, inferred = (sorted(comparison[label], key=lambda row: row["seed"]) for label in FLOWS[:2])
    ratios = [pixels(theirs["metrics"]) / pixels(ours["metrics"]) for ours, theirs in zip(given, inferred, strict=True)]
    found = difference(comparison[FLOW], comparison[FLOWS[1]], per_image)
    text = f"**Not being told the factor** costs a few per cent of error, in each of {_word(len(ratios))} pairs of runs with the same seed ({found.chance})."
    return text, {"in each": all(1 < ratio < 1.1 for ratio in ratios), "clear for the pairs alone": found.p_paired < LEVEL < found.p}


def _composition(comparison):
    ratios = [tables.average(comparison[FLOW], lambda metrics: ratio(metrics["composition"])) for ratio in (switch_ratio, superposition_ratio)]
    text = (
        f"**Flows that compose: only with loss.** Switching to another factor half-way, the flow errs {ratios[0]:.1f} times as much as its two "
        f"flows alone, and {ratios[1]:.1f} times where both act at once. In pixels it does neither better than SlowVAE."
    )
    runs = [[[composed(kind)(row["metrics"]) for row in comparison[label]] for label in (FLOW, SLOW)] for kind in ("switch", "superpose")]
    return text, {
        "with loss": min(ratios) > 1,
        "no better": all(mean(ours) > mean(theirs) or welch_p(ours, theirs) > LEVEL for ours, theirs in runs),
    }


def _parts(ablations):
    whole = ablations["path objective"]
    lone = [difference(ablations["without HJ"], whole, values) for values in (per_image, nats("frame"), nats("sequence"))]
    free = difference(ablations["without the prior"], whole, per_image)
    text = (
        "**The parts.** Without the Hamilton–Jacobi penalty neither error nor bounds change clearly; without the diffusion prior the error is "
        f"smaller, clearly ({tables.average(ablations['without the prior'], pixels):.0f} against {tables.average(whole, pixels):.0f} pixels, in {steps(ablations)} steps)."
    )
    return text, {"no clear change": not any(one.clear for one in lone), "smaller": free.clear and free.mean < 0}


def _noise(ablations, apart):
    whole, free = ablations["path objective"], ablations["without the prior"]
    all_of_it, noise, rest = (difference(*pair, per_image) for pair in ((whole, apart["PoFlow"]), (whole, free), (free, apart["PoFlow"])))
    text = (
        f"**Why PoFlow wins: it has no noise on the way.** After {steps(apart)} steps it is {all_of_it.mean:.0f} pixels ahead, and {noise.mean:.0f} of them are gone "
        "where the flow-factorized model has no noise either. Which penalty there is, and of which weight, makes no clear difference."
    )
    others = [difference(rows, apart["PoFlow"], per_image) for rows in apart.values() if rows is not apart["PoFlow"]]
    return text, {"clear": all_of_it.clear and noise.clear, "the penalties": not any(one.clear for one in [rest, *others])}


def _programs(comparison, short, long, fine, control):
    """short, long, fine : (flows that saw programs, flows that saw none) of 3 000 and of 15 000 steps, and with sharper networks
    control : PoFlow that saw programs"""
    (programs, _), (longest, _), (sharpest, _) = short, long, fine
    ours = programs[PROGRAMS]
    with_and_without = [
        [tables.average(runs[label], pixels) for runs, label in zip(pair, (PROGRAMS, NOISELESS))] for pair in (short, long, fine)
    ]
    labels = labels_of(ours[0]["config"])
    (told,) = control.values()
    ratios, poflows = (
        [
            tables.average(rows, lambda metrics: switch_ratio(metrics["composition"], labels_of(rows[0]["config"]))),
            tables.average(rows, lambda metrics: superposition_ratio(metrics["composition"])),
        ]
        for rows in (ours, told)
    )
    text = (
        f"**Told of two factors at a time, flows compose.** Without noise, and trained for {steps(programs)} steps on sequences in which two factors act, "
        f"a flow errs {ratios[0]:.1f} times as much as its two flows alone where it switches, and {ratios[1]:.1f} times where both act at once. "
        "In pixels both errors are below those of every method of the comparison (p < 0.05 between seeds for each); those methods never saw two factors at once, "
        f"and kept Adam's usual β₂. PoFlow, told the same in {steps(control)} steps, of sequences "
        f"half of which begin late, and with the usual β₂, composes as well ({poflows[0]:.1f} and {poflows[1]:.1f} times). Single factors "
        f"pay: {with_and_without[0][0]:.0f} pixels, and {with_and_without[0][1]:.0f} of a flow that saw no others, with β₂ = 0.95 in Adam for both; after "
        f"{steps(longest)} steps {with_and_without[1][0]:.0f} and {with_and_without[1][1]:.0f}, in the same time with sharper networks {with_and_without[2][0]:.0f} and "
        f"{with_and_without[2][1]:.0f}. There, too, every order switches below 1.5, at every seed; scale and hue at once stay above, and so does what the sharper decoders reach at best."
    )
    later = longest[PROGRAMS] + sharpest[PROGRAMS]
    switched = [pair["switch"][labels] / pair["own"] for row in later for pair in row["metrics"]["composition"]]
    together = [pair["superpose"] / pair["own"] for pair in _of_scale_and_hue(later, "composition") if "superpose" in pair]
    limits = [pair["limit"] / pair["own_limit"] for pair in _of_scale_and_hue(sharpest[PROGRAMS], "superposed_limit")]
    below = []
    for kind in ("switch", "superpose"):
        mine = [composed(kind, labels)(row["metrics"]) for row in ours]
        for rows in comparison.values():
            theirs = [composed(kind)(row["metrics"]) for row in rows]
            below.append(mean(mine) < mean(theirs) and welch_p(mine, theirs) < LEVEL)
    return text, {
        "below all": all(below),
        "PoFlow too": max(poflows) < 1.5,
        "a price": all(more > less for more, less in with_and_without),
        "below 1.5": max(switched) < 1.5,
        "but for scale and hue": min(together) > 1.5,
        "nor the decoder": min(limits) > 1.5,
    }


def _of_scale_and_hue(rows, measure):
    return [pair for row in rows for pair in row["metrics"][measure] if {pair["first"], pair["second"]} == {"scale", "hue"}]


def _signed(number):
    return f"{number:+.0f}".replace("-", "−")


def _word(number):
    return {2: "two", 3: "three", 4: "four", 5: "five"}.get(number, str(number))
