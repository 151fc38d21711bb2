"""One trainer for every model of the protocol: optimisers, a learning-rate schedule, checkpoints, exact resumption.

Every random number of step s comes from a generator seeded by (seed, s), so a step is a pure function of the weights, the
optimiser's state and s. An interrupted run that goes on from its checkpoint is therefore bit-identical to an uninterrupted one (on a GPU,
identical up to the order of sums).
"""

import contextlib
import math
import sys
import time
from functools import partial
from hashlib import sha256
from pathlib import Path

import torch
from tqdm.auto import tqdm

from flowlib.config import Config
from flowlib.data import Source, check_source, single_factor_batch
from flowlib.devices import device_of, is_out_of_memory, seeded
from flowlib.errors import FlowlibError
from flowlib.models.contract import check_gradients, check_terms
from flowlib.training import checkpoint as checkpoints
from flowlib.training import distributed
from flowlib.training.captured import CapturedStep, capturable
from flowlib.training.optimizers import build_optimizers, restore, set_learning_rate, state_of

CHECKPOINT = "checkpoint.safetensors"
RECORD_EVERY = 50  # steps between the points of the loss curves


def step_generator(seed: int, step: int, device="cpu") -> torch.Generator:
    """The source of all random numbers of one training step, the same on every device of one kind.

    torch's CPU generator reads 32 bits of its seed and no more, so all runs share that range. They start at multiples
    of 2^32 / golden ratio: two seeds less than 10 000 apart do not meet within 280 000 steps.
    """
    return seeded((seed * 0x9E3779B9 + step) % 2**32, device)


def learning_rate(config: Config, step: int) -> float:
    """The learning rate at a step: constant, or 5 % linear warm-up and a cosine decay to 1 % of the peak."""
    if config.schedule == "constant":
        return config.learning_rate
    progress = step / config.steps
    warm_up = min(1.0, (step + 1) / max(1.0, 0.05 * config.steps))
    return config.learning_rate * warm_up * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


class Trainer:
    """Trains `model` on `sequences`; with a folder, saves there every `config.checkpoint_every` steps and resumes.

    The data come to the device where the model is. Of several processes (torchrun) each makes its share of a batch, and the first one writes.
    `history` : name of a loss term → values, every RECORD_EVERY steps.  `seconds` : time spent training, over all sessions.
    Raises FlowlibError for data that the configuration's model cannot read.
    """

    def __init__(self, model, sequences: Source, config: Config, folder=None):
        check_source(sequences, config)
        self.part, self.device = distributed.part(), device_of(model)
        if config.batch % (len(config.factors) * self.part[1]):
            unit = len(config.factors) * self.part[1]
            raise FlowlibError(
                f"batch_size = {config.batch_size}: {self.part[1]} processes share a multiple of {unit}; "
                f"try --batch-size {max(1, config.batch // unit) * unit}"
            )
        self.model, self.sequences, self.config = model, sequences.to(self.device), config
        self.path = None if folder is None else Path(folder) / CHECKPOINT
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        distributed.same_start(model)
        self.optimizers = build_optimizers(model, config, self.device)
        self.captured = CapturedStep(model, self.device) if capturable(model, config, self.device, self.part[1]) else None
        self.step, self.seconds, self.history = 0, 0.0, {}
        self._last, self._ahead = config.steps, {}  # up to which step batches may be drawn ahead, and the one that was, by its step
        saved = distributed.from_first(lambda: checkpoints.load(self.path) if self.path is not None and self.path.exists() else None)
        if saved is not None:
            self._restore(saved)

    @property
    def recorded_steps(self):
        """The training steps at which the points of `history` were recorded."""
        points = len(next(iter(self.history.values()), []))
        return [max(1, RECORD_EVERY * index) for index in range(points)]

    def run(self, steps=None, progress=True, writer=None):
        """Train up to step `steps` (default: the configured number); returns the history.

        writer : an optional TensorBoard SummaryWriter.  Raises FlowlibError, naming the term, when a loss is not finite, and for more steps
            than are configured: the learning rate falls over these.
        """
        self._last = last = self.config.steps if steps is None else steps
        if last > self.config.steps:
            raise FlowlibError(f"steps = {last}: the run is configured for {self.config.steps}; configure more, and train anew")
        self.model.train()
        often = 0.5 if sys.stderr.isatty() else 20  # in a file every line of progress stays
        bar = tqdm(total=last, initial=self.step, disable=not progress or self.part[0] > 0, unit="step", mininterval=often)
        with bar:
            while self.step < last:
                started = time.perf_counter()
                terms = self.train_step()
                self.seconds += time.perf_counter() - started
                self._record(terms, bar, writer)
                if self.part[0] == 0 and self.path is not None and (self.step % self.config.checkpoint_every == 0 or self.step == last):
                    self.save()
        if self.captured is not None and self.step == self.config.steps:
            self.captured.release()
        self.model.eval()
        return self.history

    def train_step(self):
        """One optimiser step; returns the detached loss terms. Raises FlowlibError where memory does not suffice, or a term is not finite."""
        try:
            terms = self._gradients()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            unit = len(self.config.factors) * self.part[1]
            smaller = max(unit, self.config.batch // 2 // unit * unit)
            raise FlowlibError(
                f"a batch of {self.config.batch} does not fit into the memory of {self.device}{self._kept()}: try "
                f"--batch-size {smaller}, or a smaller width"
            ) from error
        set_learning_rate(self.optimizers.values(), learning_rate(self.config, self.step))
        self._update() if self.captured is None else self.captured.update(self._update)
        self.step += 1
        return terms

    def _gradients(self):
        """The loss terms of a batch; the parameters' gradients are those of its loss. Both are means over the processes."""
        batch, generator = self._draw(self.step)
        if self.captured is None:
            terms = self._backward(batch, generator)
        else:
            terms = self.captured.gradients(self._backward, self._update, batch, generator)
            if self.captured.replays and self.step + 1 < self._last:
                # what fails here fails again in its own step
                with contextlib.suppress(Exception), self.captured.meanwhile():
                    self._ahead = {self.step + 1: self._draw(self.step + 1)}
        distributed.average(list(terms.values()))
        self._check_finite("loss terms are", terms)
        if self.step == 0:
            check_gradients(self.model)
        distributed.average([parameter.grad for parameter in self.model.parameters() if parameter.grad is not None])
        return terms

    def _draw(self, step):
        """The batch of a step, and the generator of the step's further random numbers."""
        drawn, self._ahead = self._ahead.get(step), {}
        if drawn is not None:
            return drawn
        config, generator = self.config, step_generator(self.config.seed, step, self.device)
        more = {"beginning": self.model.beginning} if getattr(self.model, "beginning", 0) else {}
        draw = self.sequences.training_batch if config.batches == "balanced" else partial(single_factor_batch, self.sequences)
        batch = draw(config.batch, config.frames_per_step, generator, self.part, **more)
        if step == 0 and len(batch) * self.part[1] != config.batch:
            raise FlowlibError(
                f"{type(self.sequences).__name__} made {len(batch)} sequences, for one of {self.part[1]} processes that share {config.batch}: "
                "let `draw` make the part (r, R) that it is asked for"
            )
        return batch.check(len(config.factors)) if step == 0 else batch, generator

    def _backward(self, batch, generator):
        """The loss terms of a batch, detached; its gradients are left in the parameters."""
        self.model.zero_grad()
        with self._global_noise(generator), distributed.same_noise(1 if self.config.batches == "single" else len(self.config.factors)):
            terms = self.model.objective(batch, generator)
        check_terms(self.model, terms)
        terms["loss"].backward()
        return {name: value.detach().clone() for name, value in terms.items()}

    @contextlib.contextmanager
    def _global_noise(self, generator):
        """torch's global generators, from which dropout in networks of one's own draws: of each step and process other numbers; not in a graph."""
        if self.captured is not None:
            yield
            return
        on_gpu, words = self.device.type == "cuda", f"global {generator.initial_seed()} {self.part[0]}"
        seed = int.from_bytes(sha256(words.encode()).digest()[:4])  # no stream of any step's own generator
        with torch.random.fork_rng(devices=[self.device] if on_gpu else []):
            torch.default_generator.manual_seed(seed)
            if on_gpu:
                torch.cuda.manual_seed(seed)
            elif self.device.type == "mps":
                torch.mps.manual_seed(seed)
            yield

    def _update(self):
        for optimizer in self.optimizers.values():
            optimizer.step()

    def _check_finite(self, what, tensors):
        """Raise, naming them, for tensors that hold NaN or infinity."""
        finite = torch.stack([value.isfinite().all().to(self.device) for value in tensors.values()])
        if bool(finite.all()):  # one look for all: a GPU is waited for once
            return
        bad = ", ".join(name for name, good in zip(tensors, finite.tolist()) if not good)
        remedy = f"Try a smaller learning rate{self._kept()}"
        if self.step == 0:
            remedy = "No weight has changed yet, so the data, or what the networks make of them, hold NaN or infinity: look for it there"
        raise FlowlibError(f"{what} not finite at step {self.step}: {bad}. {remedy}")

    def _kept(self):
        return f"; the checkpoint before is kept in {self.path}" if self.path and self.path.exists() else ""

    def _record(self, terms, bar, writer):
        bar.update()
        if self.step % RECORD_EVERY and self.step != 1:
            return
        values = {name: value.item() for name, value in terms.items()}
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)
            if writer is not None:
                writer.add_scalar(name, value, self.step)
        # a term that is 0 is one that the model was told to leave out
        bar.set_postfix({name: f"{value:.4g}" for name, value in values.items() if value}, refresh=False)

    def save(self):
        """Write weights, optimiser state, history and step as one file. NaN weights never replace good ones."""
        weights = self.model.state_dict()
        self._check_finite("weights are", weights)
        parts = {
            "model": weights,
            **{name: state_of(optimizer, self.model) for name, optimizer in self.optimizers.items()},
            "history": {name: torch.tensor(values, dtype=torch.float64, device="cpu") for name, values in self.history.items()},
            "clock": {"seconds": torch.tensor(self.seconds, dtype=torch.float64, device="cpu")},
        }
        checkpoints.save(self.path, parts, self.config, self.step, checkpoints.own_networks(self.model))

    def _restore(self, saved):
        checkpoints.check_config(saved, self.config, self.path)
        if "clock.seconds" not in saved.tensors:
            raise FlowlibError(f"{self.path} holds weights alone, no state to go on from: remove it, or train it again")
        checkpoints.load_weights(self.model, saved, self.path)
        for name, optimizer in self.optimizers.items():
            restore(optimizer, self.model, saved.part(name))
        self.history = {name: value.tolist() for name, value in saved.part("history").items()}
        self.seconds = float(saved.tensors["clock.seconds"])
        self.step = saved.step
