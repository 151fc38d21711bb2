"""Train, load and evaluate in one call each, as the command line does."""

import contextlib
import dataclasses
from numbers import Integral
from pathlib import Path

from flowlib import config as presets
from flowlib.config import Config
from flowlib.data import GIVEN, Source, check_source, is_factorial, load_sequences, options_of, remarks, said_by, sealed
from flowlib.data.options import names_of
from flowlib.devices import choose_device, device_of, set_precision
from flowlib.errors import FlowlibError
from flowlib.evaluation import evaluate_model
from flowlib.flows.backward import plain
from flowlib.models.contract import check_idle
from flowlib.models.registry import model_class
from flowlib.training import load_model, run_folder, train_run
from flowlib.training.distributed import part, processes
from flowlib.training.run import MODEL, new_model
from flowlib.training.trainer import CHECKPOINT


def train(data, out=None, preset=presets.DEFAULT, device="auto", precision="float32", progress=True, encoder=None, decoder=None, **options):
    """A trained model, ready to use, on its device.

    data : a `Source`; or a path, as for `Config.data`, of whose content a part is held out for `evaluate`; or "digits" or "mnist"
    out : the run's folder; the same call again then goes on where it stopped. None writes nothing
    device : auto, cpu, cuda or mps;  precision : float32, or bf16 on CUDA (`flowlib.devices`)
    encoder, decoder : networks of your own (`flowlib.models.base.LatentModel`), new ones for every run: they come with their weights and are
        trained themselves; they are given again to go on, and to `load`
    options : fields of `Config`, in place of the preset's, and the model's own options
    Raises FlowlibError for data and options that cannot be used, before anything is trained.
    """
    config, source = configuration(data, preset, **options), data if isinstance(data, Source) else None
    with trained(config, out, source, choose_device(device), precision, progress, **_given(encoder=encoder, decoder=decoder)) as trainer:
        return trainer.model


@contextlib.contextmanager
def trained(config, out, source=None, device="cpu", precision="float32", progress=True, open_writer=None, **networks):
    """The trainer of a run that is done, in a block that still holds its folder.

    source : None, the configuration's own;  open_writer : folder → context manager of a TensorBoard writer, None without;  the rest as for `train`
    """
    check_idle(model_class(config.model), config)
    set_precision(new_model(config, **networks), precision, device)  # before the folder is claimed: a wrong option leaves nothing behind
    with processes(device):
        own, writes = source is None, part()[0] == 0
        source = load_sequences(config) if own else source
        check_source(source, config)
        if own:
            config = sealed(config, source)
        elif out is not None:
            config = dataclasses.replace(config, data_digest=source.digest())
        if progress and writes:
            print("\n".join(_announced(config, source)), flush=True)
        with run_folder(out, config), contextlib.ExitStack() as stack:
            writer = stack.enter_context(open_writer(out / "tensorboard")) if open_writer and writes else None
            yield train_run(out, config, source, progress, writer, device, precision, **networks)


def _announced(config, source):
    """What is about to be trained on what, a line each."""
    shape, count = f"{config.channels} × {config.size} × {config.size}", len(config.factors)
    which, names = f"{count} factors", ", ".join(config.factors)
    which = f"for each of {which} ({names})" if source.labelled else f"for {which} without labels ({names}; --factors names others)"
    read = getattr(model_class(config.model), "uses", ())
    chosen = [f"{name} {getattr(config, name)}" for name in read if name == "prior" or getattr(config, name) != getattr(Config, name)]
    return [
        f"data: {len(source)} sequences of {shape} {which}, T = {config.horizon}",
        *remarks(config, source),
        f"model: {config.model}" + (f" ({', '.join(chosen)})" if chosen else ""),
    ]


def _given(**networks):
    return {name: network for name, network in networks.items() if network is not None}


def configuration(data, preset=presets.DEFAULT, **options) -> Config:
    """The configuration of a model for these data: the preset, the data's own shape, then the options."""
    fields = {field.name for field in dataclasses.fields(Config)}
    own = {name: value for name, value in options.items() if name not in fields}
    changes = {name: names_of(value) if name == "factors" else plain(value) for name, value in options.items() if name in fields}
    changes = presets.with_tuples(changes)
    changes["options"] = dict(changes.get("options", {})) | own
    if isinstance(data, Source):
        _check_decided(data, changes)
    base = presets.preset(preset)
    found = options_for(base, data, options.get("size")) | changes
    return dataclasses.replace(presets.for_model(base, found.get("model", base.model)), **found)


WHOLE = {"held_out": Config.held_out, "parted": Config.parted}  # what a preset for scenes says of its parts is not of other data
DECIDED = ("starts", "programs")  # by a source itself, of the images that it was given


def _decided(source):
    """What a source says of itself in the words of a configuration."""
    return {name: value for name in DECIDED if isinstance(value := getattr(source, name, None), str)}


def _check_decided(source, changes):
    """Raise for an option that a source would not follow."""
    decided = _decided(source)
    for name in DECIDED:
        if changes.get(name, own := decided.get(name, getattr(Config, name))) != own:
            raise FlowlibError(
                f"{name} = {changes[name]!r}: the source decides, and has {own!r}; make it with {name} = {changes[name]!r}, if it can"
            )
    for name in ("held_out", "parted", "images", "validation", "left_out", "corner"):
        if changes.get(name, default := getattr(Config, name)) != default:
            raise FlowlibError(f"{name} = {changes[name]!r}: a source is trained on as it is; give one with the part of the data that you want")


def options_for(base: Config, data, size=None) -> dict:
    """What data change of a preset: where they are, the shape of their images, their factors and, if it is theirs to say, T.

    A preset made for a full factorial data set keeps its factors, T and size of images with data that have them.
    """
    if isinstance(data, Source):
        found = {"data": GIVEN} | said_by(data) | _decided(data)
        return found if data.labelled else found | {"model": "flow-inferred"}
    if not isinstance(data, str | Path):
        raise FlowlibError(
            f"data of type {type(data).__name__}: give a path or a source: data.ImageSequences(images, factors), data.RecordedSequences(frames, "
            "labels), or data.DatasetSequences(dataset) of a torch Dataset"
        )
    if data in ("digits", "mnist"):
        return {"data": data, **WHOLE}
    alike = is_factorial(data) and is_factorial(base.data)
    found = WHOLE | options_of(data, size or base.size if alike else size)
    if alike and set(base.factors) <= set(found["factors"]):
        found = {name: value for name, value in found.items() if name not in ("factors", "horizon", "held_out", "parted")}
    return found


def load(path, device="cpu", encoder=None, decoder=None):
    """A trained model, ready to use, from a run's folder (its final weights, or the last checkpoint of one that is not done) or a file.

    encoder, decoder : the networks of your own with which it was trained: a checkpoint holds their weights, not their code
    `model.config` is its configuration, with the shape of its images and the names of its factors.
    Raises FlowlibError for what is not there, or no checkpoint.
    """
    path = Path(path)
    if path.is_dir():
        path = next((path / name for name in (MODEL, CHECKPOINT) if (path / name).exists()), path / MODEL)
    return load_model(path, choose_device(device), **_given(encoder=encoder, decoder=decoder))[0]


def evaluate(model, data=None, seed=0, progress=lambda text: None) -> dict:
    """What metrics.json states about a model, as plain numbers (`flowlib.format_report` makes a table of it).

    data : a source of sequences that training did not see; None: the held-out part of the data that the model was trained on
    Raises FlowlibError for data that the model cannot read.
    """
    if not isinstance(seed, Integral):
        raise FlowlibError(f"seed = {seed!r}: give a whole number")
    if not callable(getattr(model, "transport", None)):
        named = repr(str(model)) if isinstance(model, str | Path) else "RUN"
        raise FlowlibError(f"model is a {type(model).__name__}: give a model, such as flowlib.load({named}) returns")
    source = load_sequences(model.config, "test") if data is None else data
    if not isinstance(source, Source):
        raise FlowlibError(f"data of type {type(source).__name__}: give a source, such as data.ImageSequences(images, factors), or None")
    check_source(source, model.config, training=False)
    source.full_batch([0], 0 if source.labelled else None).check(len(source.factors))
    return evaluate_model(model, source.to(device_of(model)), seed, progress)
