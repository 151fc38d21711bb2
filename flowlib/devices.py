"""Where numbers are computed: the one place that chooses a device, seeds its generators and lowers its precision.

A device is no part of a configuration: a run may go on elsewhere. Its random numbers are the same on every device of one kind.
"""

import os

import torch

from flowlib.errors import FlowlibError


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device of that name, or the `torch.device` given; "auto" is the first of cuda, mps and cpu that is there. Raises FlowlibError where it is not there."""
    name = str(name)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = name.partition(":")[0]
    if name == "auto":
        kind = name = next(kind for kind, found in there.items() if found)
    if kind not in there:
        raise FlowlibError(f"device = {name!r}: choose auto, cpu, cuda or mps")
    if not there[kind]:
        raise FlowlibError(f"device = {name!r}: torch finds no such device here; choose cpu, or auto for the best that is there")
    if name == "cuda":  # torchrun numbers the processes of a machine: each takes a GPU of its own
        name = f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
    number = name.partition(":")[2]
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if ":" in name and not (number.isdecimal() and int(number) < count):
        raise FlowlibError(f"device = {name!r}: the number of a device is 0 … {count - 1} here")
    return torch.device(name)


def seeded(seed: int, device="cpu") -> torch.Generator:
    """A generator of random numbers on a device. torch's CPU generator reads 32 bits of its seed and no more."""
    return torch.Generator(device).manual_seed(seed)


def set_precision(model, precision: str, device=None):
    """Run a model's encoders and decoders in bf16 (autocast; weights stay float32), or as they are; everything else, such as flows and
    log-determinants, keeps float32. Returns the model. Raises FlowlibError for bf16 where `device` is no GPU that has it."""
    from flowlib.models.networks import Network

    if precision not in ("float32", "bf16"):
        raise FlowlibError(f"precision = {precision!r}: choose float32 or bf16")
    if precision == "bf16" and device is not None and not (torch.device(device).type == "cuda" and torch.cuda.is_bf16_supported()):
        raise FlowlibError(f"precision = 'bf16' needs a CUDA GPU that computes in it, here is {device}: choose float32")
    for module in model.modules():
        if isinstance(module, Network):
            module.precision = torch.bfloat16 if precision == "bf16" else None
    return model


def device_of(model) -> torch.device:
    """Where a model's parameters are; the CPU for one that has none."""
    parameter = next(iter(model.parameters()), None) if hasattr(model, "parameters") else None
    return torch.device("cpu") if parameter is None else parameter.device


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception says that a device's memory is full (each kind of device has a text of its own)."""
    return any(text in str(error).lower() for text in ("out of memory", "can't allocate memory", "cannot allocate memory"))
