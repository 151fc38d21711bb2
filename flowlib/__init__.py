"""Flow factorized representation learning: transport, potential flows, and the models built on them.

    model = flowlib.train("photos/", factors=("shear", "brightness"), steps=2000)
    print(flowlib.format_report(flowlib.evaluate(model)))
    path = model.transport(model.encode(images).mean, factor=0, steps=8)      # (B, 9, d);  model.decode(path): logits of the frames

Where what is: the objectives, `FlowVAE.objective` (path and marginal); the equivariance error, `evaluation.equivariance`; importance-weighted
bounds (IWAE), `evaluation.likelihood`, and tight ones, `evaluation.tight`; how a checkpoint is written, `training.checkpoint`; what a data set
owes, `data.Source`, and a model, `models.protocol`.

Importing the package loads nothing else; each name below loads its part when it is first used.
"""

import importlib

__version__ = "0.1.0"

_WHERE = {
    "train": "api", "load": "api", "evaluate": "api", "format_report": "evaluation", "Config": "config", "FlowlibError": "errors",
    "FlowVAE": "models", "InferredFlowVAE": "models", "Trainer": "training", "ImageSequences": "data", "RecordedSequences": "data",
    "DatasetSequences": "data", "Source": "data", "transformation": "data",
}  # fmt: skip
_PARTS = ("api", "config", "data", "devices", "errors", "evaluation", "experiments", "flows", "models", "training", "transport", "viz")

__all__ = [*_WHERE, *_PARTS]


def __getattr__(name):
    if name in _PARTS:
        return importlib.import_module(f"flowlib.{name}")
    if name in _WHERE:
        return getattr(importlib.import_module(f"flowlib.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'flowlib' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
