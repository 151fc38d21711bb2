"""What an objective teaches: the derivative of every term along each part of a model, against central differences with the same noise.

A value may be right and its gradient cut off; then nothing is learned by that term, and no test of values sees it.
"""

import dataclasses

import pytest
import torch
from test_devices import VARIANTS, built, named, sources

from flowlib.experiments.behaviour import awake

STEP = 1e-6
# Where a gradient is not the derivative on purpose: (a model or its penalty, a part) → the terms whose gradient is exact.
EXCEPT = {
    ("flow-inferred", "recogniser"): {"kl_k", "marginal_kl", "logit_l2"},  # a sampled y: the value of a choice, the gradient of a relaxation
    ("sparse", "encoder"): {"kl", "kl_g"}, ("sparse", "reader"): {"kl", "kl_g"},  # and so the gates of spikes
    ("factor-vae", "encoder"): {"reconstruction", "kl", "tc"}, ("factor-vae", "discriminator"): {"discriminator"},  # which learn apart
    ("viscous", "prior"): {"reconstruction", "kl", "action"},  # the penalty takes D as it is
}  # fmt: skip
MORE = [("slow-vae", {"likelihood": "logistic"}), ("sparse", {"options": {"activity": 1.0}})]


def shifted(model, batch, parameters, direction, by):
    """The terms with parameters moved along a direction, and then put back."""
    with torch.no_grad():
        before = [parameter.clone() for parameter in parameters]
        for parameter, one in zip(parameters, direction):
            parameter.add_(by * one)
    found = {name: value.item() for name, value in model.objective(batch, torch.Generator().manual_seed(1)).items()}
    with torch.no_grad():
        for parameter, one in zip(parameters, before):
            parameter.copy_(one)
    return found


def differentiated(model, batch, parameters, direction):
    """({term: derivative along the direction by autograd}, {term: by central differences})."""
    exact = {}
    for name, value in model.objective(batch, torch.Generator().manual_seed(1)).items():
        grads = torch.autograd.grad(value, parameters, retain_graph=True, materialize_grads=True) if value.requires_grad else ()
        exact[name] = sum((grad * one).sum().item() for grad, one in zip(grads, direction))
    high, low = (shifted(model, batch, parameters, direction, by) for by in (STEP, -STEP))
    return exact, {name: (high[name] - low[name]) / (2 * STEP) for name in high}


@pytest.mark.parametrize("name, change", VARIANTS + MORE, ids=named)
def test_every_term_teaches_what_it_measures(name, change):
    model, config = built(name, change)
    model, source = awake(model).double().eval(), sources()["programs" if "programs" in change else "moved"]
    drawn = source.training_batch(6, config.frames_per_step, torch.Generator().manual_seed(0), beginning=getattr(model, "beginning", 0))
    batch = dataclasses.replace(drawn, frames=drawn.frames.double(), activity=None if drawn.activity is None else drawn.activity.double())
    generator = torch.Generator().manual_seed(2)
    for part in dict.fromkeys(one.partition(".")[0] for one, _ in model.named_parameters()):
        parameters = [value for one, value in model.named_parameters() if one.partition(".")[0] == part]
        direction = [torch.randn(value.shape, generator=generator, dtype=torch.float64) for value in parameters]
        exact, expected = differentiated(model, batch, parameters, direction)
        own = () if "options" in change else EXCEPT.get((name, part))  # no spikes, no exception
        for term in own or EXCEPT.get((change.get("hj_penalty"), part)) or expected:
            assert exact[term] == pytest.approx(expected[term], rel=2e-4, abs=1e-5 * (1 + abs(expected[term]))), (part, term)
