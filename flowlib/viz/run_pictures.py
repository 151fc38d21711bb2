"""The pictures that a run leaves in its folder: decoded flows, their animation, loss curves, latent paths."""

from pathlib import Path

import torch

from flowlib.data import kinds_of
from flowlib.evaluation import decode_mean, moved_path
from flowlib.viz.curves import loss_curves
from flowlib.viz.images import flow_grid
from flowlib.viz.latent import latent_paths
from flowlib.viz.motion import save_gif


@torch.no_grad()
def decoded_flows(model, sequences, index, steps=None):
    """True and decoded frames (K, T+1, C, H, W) of one image under each factor; frame 0 is decoded from μ(x_0) too. C is 1 or 3: other
    channels are averaged."""
    true, decoded = [], []
    for factor in kinds_of(sequences):
        batch = sequences.full_batch([index], factor, steps)
        true.append(batch.frames[0])
        decoded.append(decode_mean(model, moved_path(model, batch))[0].clamp(0, 1))  # a Gaussian's means may leave the range
    true, decoded = _stacked(true), _stacked(decoded)
    return (true, decoded) if true.shape[2] in (1, 3) else (true.mean(2, keepdim=True), decoded.mean(2, keepdim=True))


def _stacked(sequences):
    """Sequences (T_k + 1, …) as (K, T + 1, …); shorter ones stay at their last frame."""
    longest = max(map(len, sequences))
    return torch.stack([frames[torch.arange(longest, device=frames.device).clamp(max=len(frames) - 1)] for frames in sequences])


@torch.no_grad()
def draw_run(model, sequences, history, steps, folder, index=0, paths=40):
    """Write flows.png, flows.gif, latent_paths.png and, where there is a history, losses.png; returns the paths.

    history : name → values, recorded at the training steps `steps`;  index : the held-out image that is shown
    """
    folder = Path(folder)
    true, decoded = decoded_flows(model, sequences, index)
    rows = [torch.stack([true[:, t], decoded[:, t]]) for t in range(true.shape[1])]  # (2, K, C, H, W)
    written = [
        flow_grid(true, decoded, sequences.factors if sequences.labelled else ("",)).save(folder / "flows.png"),
        save_gif(rows, folder / "flows.gif", back=True),
    ]
    if history:
        written.append(loss_curves(history, steps).save(folder / "losses.png"))
    chosen = list(range(min(paths, len(sequences))))
    batches = [sequences.full_batch(chosen, factor) for factor in kinds_of(sequences)]
    moved = torch.cat([moved_path(model, batch, sequences.steps) for batch in batches])
    labels = torch.cat([batch.factor if sequences.labelled else model.infer_factor(batch).clamp(min=0) for batch in batches])
    drawn = latent_paths(moved, labels, sequences.factors)
    return [*written, drawn.save(folder / "latent_paths.png")]
