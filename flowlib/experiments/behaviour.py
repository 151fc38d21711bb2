"""What methods and measures do, in a few numbers: results are valid as long as these numbers stay what they were.

A method's behaviour is four real training steps on a few digits, and how its calibrated model then moves codes; a measure's is what
it finds on two tiny trained models, data/checkpoints/tiny-*.safetensors, and the constants of its module, such as how many images it takes.
The numbers stand in data/results/behaviour.json. Code may be rewritten freely while they hold. What four steps cannot show (a schedule's end,
say) is said by raising a `version`: a model's class attribute, or that of a measure.
"""

import json
import sys
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from statistics import fmean

import torch
from filelock import FileLock

from flowlib.atomic_io import read_json, write_text
from flowlib.config import Config

FILE = "behaviour.json"
STEPS, CODES = 4, 2
# How far numbers may differ, (in proportion, absolutely): another processor rounds otherwise, and measures are rounded to two decimals.
TOLERANCE = {"methods": (1e-4, 2e-4), "measures": (1e-3, 0.011)}
ROUGHLY = (0.02, 20)  # means of numbers that rounding moves far, such as annealed likelihoods: they differ by some units between seeds
# The sizes of the tiny runs; everything else is the method's own.
TINY = {
    "images": 12, "validation": 0, "horizon": 2, "batch_size": 6, "latent_dim": 9, "width": 2, "potential_width": 4, "potential_depth": 1,
    "steps": STEPS, "checkpoint_every": STEPS, "learning_rate": 6e-3, "seed": 0,
}  # fmt: skip
MEASURED = ("tiny-flow", "tiny-vae")  # they have 5 steps, since composition switches at step 4, and never saw the digits 8 and 9
MEASURED_ON = {"images": 6, "validation": 6}


def tiny(config: Config) -> Config:
    """A method's configuration in the sizes of the tiny runs: six sequences in a batch, or as many as there are factors."""
    fitting = {name: min(getattr(config, name), TINY["horizon"]) for name in ("frames_per_step", "log_det_steps")}
    fitting["batch_size"] = max(TINY["batch_size"], len(config.factors))
    return replace(config, **TINY | fitting)


def method_name(config: Config) -> str:
    """A method by its model and the options that are not the default, whatever its size."""
    default, small = Config(), tiny(config)
    changed = {field.name: getattr(small, field.name) for field in fields(Config) if field.name not in (*TINY, "model", "options")}
    changed = {name: value for name, value in changed.items() if value != getattr(default, name)} | config.options
    return f"{config.model} ({', '.join(f'{name} {value}' for name, value in changed.items())})" if changed else config.model


def method_behaviour(config: Config) -> dict:
    """The loss terms of four training steps, and codes moved by every factor after calibration, of a tiny model of this method."""
    from flowlib.data import load_sequences
    from flowlib.training import Trainer, new_model

    small = tiny(config)
    sequences, model = load_sequences(small), awake(new_model(small))
    trainer, terms = Trainer(model, sequences, small), {}
    for _ in range(STEPS):
        for name, value in trainer.train_step().items():
            terms.setdefault(name, []).append(significant(value.item()))
    model.eval().calibrate(sequences)
    with torch.no_grad():
        z = model.encode(sequences.first_frames(list(range(CODES)))).mean
        moved = [model.transport(z, k, small.horizon)[:, -1].flatten().tolist() for k in range(len(small.factors))]
    return {"version": f"{type(model).version}", "terms": terms, "moved": [[round(value, 4) for value in codes] for codes in moved]}


def measure_behaviour(name: str) -> dict:
    """What a measure finds on a few images and two tiny trained models, one with a flow and one without."""
    from flowlib.data import data_folder
    from flowlib.experiments.measures import MEASURES, measure
    from flowlib.training import load_model

    found, roughly = {}, {}
    for checkpoint in MEASURED:
        model, config = load_model(data_folder() / "checkpoints" / f"{checkpoint}.safetensors")
        taken = found[checkpoint] = measure(name, model, replace(config, **MEASURED_ON))
        roughly[checkpoint] = {one: round(fmean(_numbers(taken.pop(one)))) for one in MEASURES[name].unsteady if one in taken}
    return {
        "version": f"{MEASURES[name].version}", "settings": constants_of(MEASURES[name].take),
        "found": json.loads(json.dumps(found, allow_nan=False)), "roughly": roughly,
    }  # fmt: skip


def constants_of(function) -> dict[str, str]:
    """The constants of a function's module, its own and those that it imports, as texts."""
    module = vars(sys.modules[function.__module__])
    return {name: f"{value}" for name, value in sorted(module.items()) if name.isupper() and isinstance(value, int | float | str | tuple)}


def _numbers(value):
    return [value] if isinstance(value, int | float) else [number for one in value for number in _numbers(one)]


@torch.no_grad()
def awake(model, seed=0):
    """The model with random numbers in place of parameters that begin at zero: a flow that stands still would show nothing."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if not parameter.any():
            parameter.normal_(std=0.3, generator=generator)
    return model


def significant(value: float, digits: int = 6) -> float:
    """A number rounded to that many significant digits."""
    return float(f"{value:.{digits}g}")


def unlike(stored, now, tolerance, place="") -> str | None:
    """Where two behaviours differ by more than (relative, absolute), in words; None where they are alike. Whole numbers may differ by 1."""
    if isinstance(stored, dict) and isinstance(now, dict) and stored.keys() == now.keys():
        pairs = [(stored[key], now[key], f"{place} {key}".strip()) for key in stored]
    elif isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        pairs = [(one, other, f"{place}[{index}]") for index, (one, other) in enumerate(zip(stored, now, strict=True))]
    else:
        return None if _same(stored, now, *tolerance) else f"{place}: {str(stored)[:60]} before, {str(now)[:60]} now"
    return next(filter(None, (unlike(one, other, tolerance, where) for one, other, where in pairs)), None)


def changed(kind: str, stored: dict, now: dict) -> str | None:
    """Where the behaviour of a kind, "methods" or "measures", is another than the stored one, in words."""
    stored, now = dict(stored), dict(now)
    rough = stored.pop("roughly", {}), now.pop("roughly", {})
    return unlike(stored, now, TOLERANCE[kind]) or unlike(*rough, ROUGHLY, "roughly")


def _same(stored, now, relative, absolute):
    if type(stored) is not type(now) or not isinstance(stored, (int, float)):
        return type(stored) is type(now) and stored == now
    return abs(stored - now) <= relative * abs(stored) + (1 if type(stored) is int else absolute)


class Behaviours:
    """The stored behaviours in a folder of results: {"methods": {name: …}, "measures": {name: …}}.

    Changed ones are never overwritten but by `store`; new ones are added when they are first asked for. What the code does is found out
    once for each object: the tiny runs take longer than everything else here.
    """

    def __init__(self, folder):
        self.path = Path(folder) / FILE
        self.stored = read_json(self.path) if self.path.exists() else {"methods": {}, "measures": {}}
        self._found = {}

    def changes(self, configs, measures) -> dict[tuple[str, str], str]:
        """("methods" or "measures", name) → what is different, of everything whose behaviour is not the stored one."""
        found = {}
        for kind, name, now in self._current(configs, measures):
            if name not in self.stored[kind]:
                self.store(kind, name, now)
            elif difference := changed(kind, self.stored[kind][name], now):
                found[kind, name] = difference
        return found

    def update(self, configs, measures):
        """Store what the code does today."""
        for kind, name, now in self._current(configs, measures):
            if name not in self.stored[kind] or changed(kind, self.stored[kind][name], now):
                self.store(kind, name, now)

    def _current(self, configs, measures):
        tasks = [("methods", method_name(config), method_behaviour, config) for config in configs]
        tasks += [("measures", name, measure_behaviour, name) for name in measures]
        for kind, name, behaviour, of in {task[:2]: task for task in tasks}.values():
            if (kind, name) not in self._found:
                self._found[kind, name] = behaviour(of)
            yield kind, name, self._found[kind, name]

    def store(self, kind, name, behaviour):
        """Write one behaviour; those that other processes have written meanwhile stay."""
        from flowlib.experiments.results import compact_json

        with FileLock(self.path.with_name(f".{self.path.stem}.lock")):
            if self.path.exists():
                self.stored = read_json(self.path)
            self.stored[kind][name] = behaviour
            write_text(self.path, compact_json({kind: dict(sorted(named.items())) for kind, named in self.stored.items()}))

    def digest(self, config: Config) -> str:
        """Eight hexadecimal digits of a method's stored behaviour: runs of one name under different behaviours are kept apart."""
        stored = self.stored["methods"].get(method_name(config), {})
        return sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()[:8]
