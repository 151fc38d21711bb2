"""Speed, as ratios measured in one run on an otherwise idle machine:

    python benchmarks/run.py [--repeats 15]

Prints a table and writes benchmarks/results.json. Ratios compare medians of interleaved measurements; those of waiting threads (busy.py)
are single runs, one after the other, and differ by a fifth from one time to the next.
"one frame decoded" and "one log-determinant" are `Config.decoded` and `Config.log_det_steps`; what they cost is in chapter 13.
"""

import argparse
import dataclasses
import json
import platform
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from flowlib.threads import choose_waiting

choose_waiting()  # as the command line does, before torch loads

import torch
from busy import busy_ratios
from official import objective as official_objective
from official import one_factor
from straightforward import objective as straightforward_objective

from flowlib.config import Config
from flowlib.data import load_sequences
from flowlib.flows import PotentialBank, log_abs_det, run_flow
from flowlib.training import new_model

CONFIG = Config()


def medians(actions, repeats):
    """Median seconds of each action, measured in turns so that a disturbance hits all of them."""
    seconds = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(repeats):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def training_step(objective, draw, config):
    """One whole training step: batch, objective, backward, Adam."""
    model, sequences = new_model(config), load_sequences(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    generator = torch.Generator().manual_seed(0)

    def step():
        batch = draw(sequences, config, generator)
        optimizer.zero_grad()
        objective(model, batch, generator).backward()
        optimizer.step()

    return step


def frames_of(count):
    """Draws a batch with x_0 and `count` other frames of each sequence."""
    return lambda sequences, config, generator: sequences.training_batch(config.batch, count, generator)


def flowlib_objective(model, batch, generator):
    return model.objective(batch, generator)["loss"]


def floor(model, batch, generator, decoded=None):
    """The least that a step of this encoder and decoder can do: encode x_0, decode as many codes as there are frames, or `decoded` of them."""
    posterior, frames = model.encode(batch.frames[:, 0]), batch.frames[:, :decoded]
    codes = posterior.sample(generator)[:, None].expand(-1, frames.shape[1], -1)
    return posterior.kl().sum() - model.likelihood.log_prob(model.decode(codes), frames).sum()


def flowlib_steps(config):
    """Name → (configuration, the draw of a batch) of flowlib's steps: as it is set, and with more or less that is decoded or differentiated."""
    every, some = frames_of(config.horizon), frames_of(config.frames_per_step)
    one_frame = dataclasses.replace(config, decoded="one")
    steps = {"": (config, some), ", all frames decoded": (config, every), ", one frame decoded": (one_frame, some)}
    if config.objective == "path":
        return steps
    fewer = {f"{name}, one log-determinant": (dataclasses.replace(one, log_det_steps=1), draw) for name, (one, draw) in steps.items()}
    return steps | fewer


def step_ratios(objective_name, repeats):
    """The published and the straightforward step against flowlib's, and flowlib's against its floor, for one of the two objectives."""
    config = dataclasses.replace(CONFIG, objective=objective_name)
    every, steps = frames_of(config.horizon), flowlib_steps(config)
    found = medians({
        "official": training_step(official_objective, one_factor, config),
        "straightforward": training_step(straightforward_objective, every, config),
        "floor": training_step(floor, frames_of(config.frames_per_step), config),
        "floor, one frame decoded": training_step(partial(floor, decoded=1), frames_of(config.frames_per_step), config),
    } | {f"flowlib{name}": training_step(flowlib_objective, draw, one) for name, (one, draw) in steps.items()}, repeats)  # fmt: skip
    ratios = {
        f"{objective_name}: {slow} / flowlib step{name}": found[slow] / found[f"flowlib{name}"]
        for slow in ("official", "straightforward") for name in steps
    }  # fmt: skip
    return ratios | {
        f"{objective_name}: flowlib step / its floor": found["flowlib"] / found["floor"],
        f"{objective_name}: flowlib step / its floor, one frame decoded": found["flowlib, one frame decoded"]
        / found["floor, one frame decoded"],
        f"{objective_name}: flowlib step, milliseconds": 1000 * found["flowlib"],
    }


def flow_forward_backward(factors, batch=128, hessian=False):
    """T steps of the posterior flow of a grouped batch, forward and backward."""
    bank = PotentialBank(factors, CONFIG.latent_dim, CONFIG.potential_width, CONFIG.potential_depth)
    size = batch // factors * factors
    factor, z = torch.arange(factors).repeat_interleave(size // factors), torch.randn(size, CONFIG.latent_dim)
    direction = torch.randn(CONFIG.latent_dim, CONFIG.latent_dim)  # a gradient of ones alone would take a slower way

    def step():
        flow = run_flow(bank, z, factor, CONFIG.horizon, hessian=hessian)
        loss = flow.path.sum() + flow.residual.sum()
        (loss + (flow.hessian * direction).sum() if hessian else loss).backward()

    return step


def log_determinant(batch=128):
    """The exact log-determinants of one training step, forward and backward."""
    hessian = 0.01 * torch.randn(batch, CONFIG.horizon, CONFIG.latent_dim, CONFIG.latent_dim)
    hessian.requires_grad_()
    return lambda: log_abs_det(hessian).sum().backward()


def flow_ratios(repeats):
    """K = 8 potentials against one at the same batch of 128; the shares of Hessian and determinant in a marginal step."""
    marginal = dataclasses.replace(CONFIG, objective="marginal")
    found = medians({
        "K=1": flow_forward_backward(1), "K=8": flow_forward_backward(8),
        "hessian": flow_forward_backward(1, hessian=True), "log det": log_determinant(),
        "step": training_step(flowlib_objective, frames_of(1), marginal),
    }, repeats)  # fmt: skip
    return {
        "flows of K = 8 / K = 1": found["K=8"] / found["K=1"],
        "share of the exact log-determinants in a marginal step": found["log det"] / found["step"],
        "share of the Hessians in a marginal step": (found["hessian"] - found["K=1"]) / found["step"],
    }


def import_ratio(repeats):
    """`import flowlib` against `import torch`, in fresh interpreters."""
    run = lambda module: lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)  # noqa: E731
    found = medians({"torch": run("torch"), "flowlib": run("torch, flowlib")}, max(3, repeats // 3))
    return {"import flowlib / import torch": found["flowlib"] / found["torch"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="measurements per action; medians are reported")
    repeats = parser.parse_args().repeats
    results = {}
    for part in (step_ratios("path", repeats), step_ratios("marginal", repeats), flow_ratios(repeats), import_ratio(repeats), busy_ratios()):
        results |= part
        for name, value in part.items():
            print(f"{name:70} {value:8.2f}", flush=True)
    results["machine"] = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    results["repeats"] = repeats
    text = json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in results.items()}, indent=2)
    (Path(__file__).parent / "results.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
