"""The table of a run: M16 per factor, M17 per frame and per sequence, and the geometry of the flows."""

from functools import partial

import torch

from flowlib.data import Source, kinds_of
from flowlib.devices import seeded
from flowlib.evaluation.equivariance import Estimate, equivariance_error, no_motion
from flowlib.evaluation.geometry import flow_geometry
from flowlib.evaluation.likelihood import frame_log_weights, log_likelihood, sequence_log_likelihood
from flowlib.evaluation.limit import decoder_limit
from flowlib.models.likelihood import Logistic, bits_per_dimension
from flowlib.models.protocol import has_density, has_potentials

SAMPLES = 100  # M, importance samples per likelihood
SEQUENCES = 50  # sequences per factor whose likelihood is estimated, and
LIMIT_IMAGES = 50  # images per factor on which the decoder's limit is searched: of 28 × 28 pixels; of larger ones fewer, down to a fifth


def evaluate_model(model, sequences: Source, seed=0, progress=lambda text: None) -> dict:
    """Everything that metrics.json states about a model, as plain numbers. Errors in pixels, likelihoods in nats.

    sequences : where the model is;  without labels they are evaluated all together, each under the factor that the model infers
    The geometry is that of potentials: {} for a model that has none, and for sequences without labels. The likelihoods of a model without a density are {}.
    """
    equivariance, geometry = {}, {}
    for index, name in kinds_of(sequences).items():
        progress(f"equivariance: {name}")
        equivariance[name] = _equivariance(model, sequences, index)
        if has_potentials(model) and sequences.labelled:
            geometry[name] = flow_geometry(model, sequences, index).summary()
    likelihoods = {}
    if has_density(model):
        progress("log-likelihoods")
        likelihoods = _likelihoods(model, sequences, seed)
    return {"equivariance": equivariance, "log_likelihood": likelihoods, "geometry": geometry}


def fewer(count, sequences):
    """`count` images of up to 28 × 28 pixels; as many as cost the same where they are larger, but a fifth of them at least."""
    return max(1, count // 5, min(count, count * 28**2 // sequences.size**2))


def _equivariance(model, sequences, factor):
    estimates = {
        "error": Estimate.of(equivariance_error(model, sequences, factor)),
        "decoder_limit": Estimate.of(decoder_limit(model, sequences, factor, fewer(LIMIT_IMAGES, sequences))),
        "no_motion": Estimate.of(no_motion(sequences, factor)),
    }
    return _flat(estimates)


def _likelihoods(model, sequences, seed):
    """Mean log p̂ over the sequences of up to SEQUENCES held-out images; an image's factors and frames are averaged first."""
    generator = seeded(seed, sequences.device)
    chosen = list(range(min(fewer(SEQUENCES, sequences), len(sequences))))
    batches = [sequences.full_batch(chosen, factor) for factor in kinds_of(sequences)]
    results = {}
    for name, estimate in (("frame", partial(log_likelihood, frame_log_weights)), ("sequence", sequence_log_likelihood)):
        found = [estimate(model, batch, SAMPLES, generator) for batch in batches]
        # an image's factors and frames are no independent trials
        values = torch.cat([one.value.reshape(len(one.value), -1) for one in found], 1)
        results |= _flat({name: Estimate.of(values.mean(1))})
        results[f"{name}_effective_samples"] = torch.cat([one.effective_samples.flatten() for one in found]).mean().item()
        if isinstance(model.likelihood, Logistic):  # a probability of images
            frames = sum(batch.times.shape[1] for batch in batches) / len(batches) if name == "sequence" else 1
            results[f"{name}_bits"] = bits_per_dimension(results[name], frames * batches[0].frames[0, 0].numel())
    return results | {"samples": SAMPLES}


def _flat(estimates):
    """{name: Estimate} as {name, name_se, name_n}."""
    flat = {}
    for name, estimate in estimates.items():
        flat |= {name: estimate.mean, f"{name}_se": estimate.standard_error, f"{name}_n": estimate.n}
    return flat


def format_report(metrics: dict) -> str:
    """The metrics as the table that the command line prints."""
    rows = metrics["equivariance"]
    lines = [f"{'equivariance error':22}{'model':>14}{'decoder limit':>16}{'no motion':>12}"]
    for name, row in rows.items():
        lines.append(
            f"{name:22}{row['error']:>8.0f} ± {_error(row['error_se'], '<3.0f')}"
            f"{row['decoder_limit']:>10.0f} ± {_error(row['decoder_limit_se'], '<3.0f')}{row['no_motion']:>12.0f}"
        )
    mean = sum(row["error"] for row in rows.values()) / len(rows)
    lines.append(f"{'mean':22}{mean:>8.0f}")
    first = next(iter(rows.values()))
    lines.append(f"over {first['error_n']} images; the decoder's limit over the first {first['decoder_limit_n']} of them")
    if behind := [name for name, row in rows.items() if row["error"] >= row["no_motion"]]:
        lines.append(f"{', '.join(behind)}: no better than to show x_0 throughout; train longer")
    return "\n".join(lines + _likelihood_lines(metrics["log_likelihood"]) + _geometry_lines(metrics["geometry"]))


def _error(value, form):
    """A standard error, or a dash as wide where there is none."""
    return format(value, form) if value is not None else format("–", form.partition(".")[0])


def _likelihood_lines(found):
    """M17; nothing for a model without a density."""
    if not found:
        return []
    lines = [f"\nlog-likelihood (nats, {found['samples']} importance samples)"]
    for name in ("frame", "sequence"):
        lines.append(
            f"{'per ' + name:22}{found[name]:>8.1f} ± {_error(found[name + '_se'], '<7.1f')}effective samples {found[name + '_effective_samples']:.1f}"
            + (f"   {found[name + '_bits']:.3f} bits per value" if f"{name}_bits" in found else "")
        )
    return lines


def _geometry_lines(geometry):
    """Straightness, residual and curvature of the flows, with a note where a step may fold (M6); nothing without a flow."""
    if not geometry:
        return []
    lines = [f"\n{'flow':22}{'straightness':>14}{'rms residual':>16}{'λ_min(I + H)':>16}"]
    for name, row in geometry.items():
        lines.append(f"{name:22}{row['straightness']:>14.3f}{row['residual_rms']:>16.3f}{row['smallest_eigenvalue']:>16.3f}")
    if any(row["smallest_eigenvalue"] <= 0 for row in geometry.values()):
        lines.append(
            "λ_min(I + H) ≤ 0 was seen, so a step may fold: some codes may have no way back, and with a prior's flow (`prior` diffusion)"
        )
        lines.append("the frame likelihoods are no bound (M6, M11); without one they are")
    return lines
