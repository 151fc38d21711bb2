"""Chapter 8: train the flow-factorized VAE for some seconds with another weight of the penalty and another diffusion."""

import torch

from flowlib.book.laboratory_bench import bench
from flowlib.config import Config
from flowlib.evaluation import flow_geometry
from flowlib.experiments.tables import layout
from flowlib.training import Trainer, new_model
from flowlib.viz import flow_grid
from flowlib.viz.run_pictures import decoded_flows

SENTENCE = "Run this cell in Jupyter or Colab: controls for λ, D and the seconds appear, and a button trains the model with them."
COLUMNS = ("λ", "D", "steps", "reconstruction", "action", "|r| / ½‖∇u‖²", "straightness")
COUNT = 50  # held-out images whose flows are measured


def penalty(sequences, held_out, image=5):
    """Controls for λ (`hj_weight`), D (fixed, not learned) and the seconds of training, each time from the same first weights.

    sequences : what is trained on;  held_out : what the flows are measured on, and the image that is shown
    """
    runs = []

    def action(bench, weight, diffusion, seconds):
        config = Config(batch_size=63, schedule="constant", hj_weight=weight, diffusion=diffusion, learn_diffusion=False)
        trainer = Trainer(new_model(config), sequences, config)
        history = bench.train(trainer.train_step, seconds)
        model = trainer.model.eval()
        ratio, straight = _geometry(model, held_out)
        ends = [f"{history[name][-1]:.4g}" for name in ("reconstruction", "action")]
        runs.append([f"{weight:g}", f"{diffusion:g}", str(trainer.step), *ends, f"{ratio:.2f}", f"{straight:.2f}"])
        bench.say(layout([COLUMNS, *runs], "html"))
        bench.show(flow_grid(*decoded_flows(model, held_out, image), held_out.factors))

    def controls(widgets):
        return {
            "weight": widgets.SelectionSlider(options=[0, 1e2, 1e3, 1e4, 1e5, 1e6], value=1e4, description="λ"),
            "diffusion": widgets.SelectionSlider(options=[1e-4, 1e-3, 1e-2, 1e-1, 1.0], value=1e-2, description="D"),
            "seconds": widgets.IntSlider(20, 5, 120, 5, description="seconds of training"),
        }

    return bench(controls, action, "train", SENTENCE)


def _geometry(model, held_out):
    """(mean |r| over mean ½‖∇u‖², mean straightness) over all factors."""
    found = [flow_geometry(model, held_out, k, COUNT) for k in range(len(held_out.factors))]
    residual = torch.stack([g.residual.abs().mean() for g in found]).mean()
    energy = torch.stack([0.5 * g.speed.square().mean() for g in found]).mean()
    return (residual / energy).item(), torch.stack([g.straightness.mean() for g in found]).mean().item()
