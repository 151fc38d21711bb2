"""Chapter 9: train with k inferred on an uneven mix of factors, with the remedies for collapse or without."""

import dataclasses

import torch

from flowlib.book.laboratory_bench import bench
from flowlib.data import Source
from flowlib.errors import FlowlibError
from flowlib.evaluation.recognition import all_factors
from flowlib.training import Trainer, new_model
from flowlib.viz import matrix_chart

SENTENCE = "Run this cell in Jupyter or Colab: sliders for the mix of factors and the remedies appear, and a button trains the model with them."
COUNT = 60  # held-out images, each under every factor


class Uneven(Source):
    """To train on: the same sequences, but a batch holds the factors in the proportion of the weights."""

    def __init__(self, source: Source, weights):
        if not sum(weights) > 0:
            raise FlowlibError("no factor is in the mix: give at least one of them more than 0")
        self.source, self.weights = source, [weight / sum(weights) for weight in weights]
        self.factors, self.steps, self.channels, self.size = source.factors, source.steps, source.channels, source.size

    def training_batch(self, batch_size, frames_per_step, generator, part=(0, 1)):
        """About `batch_size` sequences: of the largest even batch that is needed, the share of each factor."""
        counts = [round(batch_size * weight) for weight in self.weights]
        batch = self.source.training_batch(max(counts) * len(counts), frames_per_step, generator, part)
        rows = [k * max(counts) + row for k, count in enumerate(counts) for row in range(count)]
        return batch.take(rows=rows)


def factors(sequences, held_out, config):
    """A slider for the weight of each factor in the batches, the remedies of `InferredFlowVAE`, and the seconds of training.

    config : a configuration of the model flow-inferred, whose sizes are used
    """
    names = tuple(sequences.factors)

    def action(bench, marginal_kl_weight, logit_scale, logit_l2, seconds, **weights):
        options = {"marginal_kl_weight": marginal_kl_weight, "logit_scale": logit_scale, "logit_l2": logit_l2}
        small = dataclasses.replace(config, batch_size=63, learning_rate=3e-3, schedule="constant", options=options)
        trainer = Trainer(new_model(small), Uneven(sequences, [weights[name] for name in names]), small)
        bench.train(trainer.train_step, seconds)
        shares = who_serves_whom(trainer.model.eval(), held_out)
        busy = int((shares.sum(0) > 0.3).sum())
        bench.say(f"{trainer.step} steps; {busy} of {len(names)} potentials have work")
        bench.show(matrix_chart(shares, names, [f"potential {k + 1}" for k in range(len(names))]))

    def controls(widgets):
        weights = {name: widgets.FloatSlider(1.0, min=0.0, max=1.0, step=0.1, description=f"weight of {name}") for name in names}
        return weights | {
            "marginal_kl_weight": widgets.SelectionSlider(options=[0.0, 10.0, 100.0, 1000.0], value=0.0),
            "logit_scale": widgets.SelectionSlider(options=[0.1, 0.3, 1.0], value=1.0),
            "logit_l2": widgets.SelectionSlider(options=[0.0, 0.1, 0.3, 1.0], value=0.0),
            "seconds": widgets.IntSlider(20, 5, 120, 5, description="seconds of training"),
        }

    return bench(controls, action, "train", SENTENCE)


@torch.no_grad()
def who_serves_whom(model, held_out):
    """(K, K): the share of each factor's sequences (rows) for which the recogniser picks each potential (columns)."""
    size = len(held_out.factors)
    chosen = model.recogniser(all_factors(held_out, list(range(COUNT)))).argmax(-1).reshape(size, -1)
    return torch.stack([torch.bincount(row, minlength=size) for row in chosen]) / chosen.shape[1]
