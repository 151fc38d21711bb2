"""Checkpoints in safetensors, with configuration, version and checksum in the header. Never a pickle.

The header is one JSON text under one key: safetensors writes several keys in random order, and equal runs would differ as files.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

import flowlib
from flowlib.atomic_io import write_file
from flowlib.config import Config, differences, from_values, to_json
from flowlib.errors import FlowlibError
from flowlib.models import build_model

KEY = "checkpoint"
AGAIN = "put it back from a copy, or remove it and train again"


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: named tensors, the configuration as a dict, the step, flowlib's version, and the classes of networks of one's own.

    networks : by their names, encoder and decoder; None in a file from before they were noted
    """

    tensors: dict[str, torch.Tensor]
    config: dict
    step: int
    version: str
    networks: dict[str, str] | None = None

    def part(self, prefix):
        """The tensors whose names begin with `prefix.`, without it."""
        start = len(prefix) + 1
        return {name[start:]: value for name, value in self.tensors.items() if name.startswith(prefix + ".")}


def save(path, parts: dict[str, dict[str, torch.Tensor]], config: Config, step: int, networks=None):
    """Write {part: {name: tensor}} whole (temporary name, then rename); what is equal becomes files that are equal byte for byte.

    networks : of the model whose weights they are (`own_networks`)
    """
    tensors = {f"{part}.{name}": value.detach().contiguous() for part, named in parts.items() for name, value in named.items()}
    seen = set()
    for name, value in tensors.items():  # weights that two layers share are written twice: the format has no sharing
        if value.data_ptr() in seen:
            tensors[name] = value.clone()
        seen.add(value.data_ptr())
    header = {"config": to_json(config), "step": str(step), "flowlib": flowlib.__version__, "networks": json.dumps(networks or {})}
    header["sha256"] = digest(tensors, header)
    write_file(path, lambda temporary: _save(tensors, temporary, header))


def own_networks(model) -> dict[str, str]:
    """The classes of the networks of one's own that a model was given, by their names; a model that is no `LatentModel` need not say."""
    return getattr(model, "own_networks", {})


def digest(tensors, header):
    """SHA-256 of everything a checkpoint holds: safetensors itself would load a flipped bit without a word."""
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def _save(tensors, path, header):
    try:
        safetensors.torch.save_file(tensors, path, metadata={KEY: json.dumps(header, sort_keys=True)})
    except SafetensorError as error:  # the library wraps a full disk in its own exception
        raise OSError(str(error)) from error


def load(path) -> Checkpoint:
    """Read a checkpoint; raises FlowlibError for a file missing, truncated, altered, a pickle or not flowlib's."""
    path = Path(path)
    if not path.is_file():
        raise FlowlibError(f"no checkpoint at {path}: train first, or name a run's folder")
    try:
        content = path.read_bytes()  # at once: `safe_open` opens a file twice, and a run may put the next checkpoint there in between
    except PermissionError as error:
        raise FlowlibError(f"{path} cannot be read: you have no permission; its owner can give it (chmod)") from error
    try:
        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise FlowlibError(f"{path} is no checkpoint in safetensors format ({_reason(content, error)}); {AGAIN}") from error
    header = _header(content, path)
    if not {"config", "step", "flowlib"} <= set(header):
        raise FlowlibError(f"{path} is not one of flowlib's checkpoints: its header holds {sorted(header)}")
    stated = header.pop("sha256", None)
    if stated is not None and stated != digest(tensors, header):
        raise FlowlibError(f"{path} is altered: its checksum differs from the one in its header; {AGAIN}")
    networks = json.loads(header["networks"]) if "networks" in header else None
    return Checkpoint(tensors, json.loads(header["config"]), int(header["step"]), header["flowlib"], networks)


def _header(content: bytes, path) -> dict:
    """The texts beside a file's tensors: it begins with the length of its header (eight bytes), which is JSON, as is the text at KEY."""
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    try:
        return json.loads(metadata[KEY]) if KEY in metadata else metadata  # older files have its entries side by side
    except json.JSONDecodeError as error:
        raise FlowlibError(f"{path} is altered: its header cannot be read ({error}); {AGAIN}") from error


def _reason(content, error):
    # A pickle begins with 0x80, its protocol, an opcode. So may the length with which a safetensors file begins, but its
    # third byte is 0, which is no opcode.
    pickled = content.startswith(b"PK") or (content[:1] == b"\x80" and content[2:3] not in (b"", b"\0"))
    return "it is a pickle, which could run code when opened" if pickled else f"truncated or altered: {error}"


def check_config(checkpoint: Checkpoint, config: Config, path):
    """Raise FlowlibError, naming every option that differs, unless the checkpoint is of this configuration."""
    there = from_values(checkpoint.config, f"{path}, written by flowlib {checkpoint.version},")
    differing = [f"{name}: {getattr(there, name)} there, {getattr(config, name)} asked for" for name in differences(there, config)]
    if differing:
        raise FlowlibError(
            f"{path} (flowlib {checkpoint.version}) is of another configuration — " + "; ".join(differing)
            + ". Choose another --out, or the options of that run"
        )  # fmt: skip


def load_model(path, device="cpu", **networks):
    """(model, config) from a checkpoint file, ready to evaluate on a device; half precision is widened to float32.

    networks : the `encoder` and `decoder` of your own with which it was trained, of whom a file holds the weights alone
    """
    checkpoint = load(path)
    config = from_values(checkpoint.config, f"{path}, written by flowlib {checkpoint.version},")
    model = build_model(config, **networks)
    load_weights(model, checkpoint, path)
    return model.to(device).eval(), config


def load_weights(model, checkpoint: Checkpoint, path):
    """Copy a checkpoint's weights into a model; raises FlowlibError where names, shapes or the classes of networks of one's own differ."""
    own, there = own_networks(model), checkpoint.networks
    if there is not None and own != there:
        trained, given = (", ".join(f"{name} {kind}" for name, kind in one.items()) or "flowlib's alone" for one in (there, own))
        raise FlowlibError(
            f"{path} was trained with other networks of your own ({trained}) than are given ({given}): give those, in Python: "
            "flowlib.load(path, encoder=…, decoder=…), and flowlib.evaluate(model)"
        )
    try:
        model.load_state_dict(checkpoint.part("model"))  # which widens half precision
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        again = ". Was it trained with networks of your own? Give them again: flowlib.load(path, encoder=…, decoder=…)"
        raise FlowlibError(f"{path} does not fit the model: {reason}{again * ('coder.' in reason)}") from error
