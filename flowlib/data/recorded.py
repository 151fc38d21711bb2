"""Recorded sequences: frames that exist already, in an array or in a torch Dataset, with or without a label of the factor."""

from numbers import Integral

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from flowlib.data.digests import digest_of, digest_of_frames
from flowlib.data.options import names_of, place_of
from flowlib.data.sequences import as_tensor, checked_images
from flowlib.data.source import Source, shares
from flowlib.data.transforms import as_floats
from flowlib.errors import FlowlibError


class RecordedSequences(Source):
    """Sequences in an array.

    frames : (N, T+1, C, H, W) with H = W, a tensor or array of bytes or of floats in [0, 1]; it stays where and as it is
    factor : (N,) whole numbers 0 … K − 1, or names of factors, or None where nobody knows (then a model that needs no labels is trained:
        flow-inferred, msp or sparse)
    factors : the K names; without them factors are numbered, or, where labels are names, these in the order of the alphabet

    Evaluation takes as many sequences of every factor as the rarest has; training draws from all, every factor equally often.
    Raises FlowlibError for frames or labels that cannot be used, and for a factor without a sequence.
    """

    def __init__(self, frames, factor=None, factors=None):
        self._frames = checked_images(frames, "(N, T+1, C, H, W)")
        self._set(self._frames.shape, factor, factors)
        self.device = self._frames.device

    def _set(self, shape, factor, factors):
        factor, factors = numbered(factor, factors)
        count, self.steps, self.channels, self.size = shape[0], shape[1] - 1, shape[2], shape[-1]
        if self.steps < 1:
            raise FlowlibError(f"frames of shape {tuple(shape)}: a sequence has at least two frames, x_0 and x_1")
        self.labelled = factor is not None
        if not self.labelled and factors is None:
            raise FlowlibError("sequences without labels: name the factors to look for, such as factors=('a', 'b', 'c') for K = 3")
        labels = _checked_labels(factor, count, factors) if self.labelled else torch.zeros(count, dtype=torch.int64)
        self._labels = labels
        self.factors = names_of(factors) if factors is not None else tuple(f"factor {k}" for k in range(int(labels.max()) + 1))
        kinds = range(len(self.factors)) if self.labelled else (0,)
        self._members = [(labels == k).nonzero()[:, 0] for k in kinds]
        if empty := [self.factors[k] for k in kinds if not len(self._members[k])]:
            raise FlowlibError(
                f"no sequence shows {', '.join(map(repr, empty))}: give some of every factor, or leave the name out; labels count from 0"
            )

    def __len__(self):
        return min(map(len, self._members))

    def digest(self) -> str:
        return digest_of(self._frames, *self._members)

    def first_frames(self, indices=slice(None)) -> Float[Tensor, "n C H W"]:
        """x_0 of sequences of all factors in turn."""
        mixed = torch.stack([members[: len(self)] for members in self._members], 1).flatten()
        return self._get(mixed[: len(self)][_cpu(indices)], torch.zeros(1, dtype=torch.int64, device="cpu"))[:, 0]

    def frames_of(self, indices, factor, times):
        return self._get(self._members[factor or 0][: len(self)][_cpu(indices)], times)

    def draw(self, batch_size, frames_per_step, generator, part, beginning=0):
        """As many random sequences of every factor; where nobody knows the factor, −1."""
        rows, factor = shares(batch_size, len(self.factors), part)
        drawn = torch.rand(batch_size, generator=generator, device=generator.device).cpu()[rows]
        times = self._random_times(batch_size, frames_per_step, generator, beginning).cpu()[rows]
        members = [self._members[k if self.labelled else 0] for k in factor.tolist()]
        indices = torch.stack([own[int(share * len(own))] for own, share in zip(members, drawn.tolist())])
        factor = factor if self.labelled else torch.full_like(factor, -1)
        return self._get(indices, times), times.to(self.device), factor.to(self.device)

    def _get(self, indices, times):
        """The frames at `times`, (F,) or (n, F), of the sequences numbered `indices`, on the device."""
        return _at(self._frames, indices, times, self.device)


class DatasetSequences(RecordedSequences):
    """Sequences in a torch Dataset with a length, whose items are (frames (T+1, C, H, W), factor), or frames alone; read when they are needed.

    An item is to be the same whenever it is read: one that draws random numbers makes runs that cannot be repeated.

    dataset : a map-style `torch.utils.data.Dataset`, with a length; items as in `RecordedSequences`, labels as numbers
    factors : the K names
    labels : (N,) the factor of every item, where it is known beforehand; otherwise every item is read once to ask for it. An item that says
        another, when it is read, raises FlowlibError
    workers : processes that read the items of a batch side by side (torch's DataLoader), 0 reads them here
    """

    def __init__(self, dataset, factors=None, labels=None, workers: int = 0):
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise FlowlibError(f"a {type(dataset).__name__} has no items by number: give a map-style dataset, with __len__ and __getitem__")
        if not len(dataset):
            raise FlowlibError("the dataset is empty: give one with some sequences")
        if not isinstance(workers, Integral) or workers < 0:
            raise FlowlibError(f"workers = {workers!r}: give a whole number of processes, 0 to read the items in this one")
        self._plan = []
        self._loader = DataLoader(
            dataset,
            batch_sampler=self._plan,
            num_workers=workers,
            collate_fn=_collate,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # its own: reading moves nobody else's random numbers
        )
        self._workers = max(1, workers)
        first, factor = self._read(torch.zeros(1, dtype=torch.int64))
        if labels is None and factor is not None:
            read = [self._read(chunk)[1] for chunk in torch.arange(len(dataset)).split(64 * self._workers)]
            if any(one is None for one in read):
                raise FlowlibError("some items of the dataset have a label and some have none: give all of them one, or none")
            labels = torch.cat(read)
        self._set((len(dataset), *first.shape[1:]), labels, factors)

    def digest(self) -> str:
        """Of the labels and some first frames: not every item is read."""
        seen = digest_of_frames(self)
        return seen and digest_of(seen, *self._members)

    def _read(self, indices):
        """(frames (n, T+1, C, H, W), factor (n,) or None), an equal piece of them from each worker."""
        self._plan[:] = [piece.tolist() for piece in indices.chunk(self._workers)]
        try:
            frames, labels = zip(*self._loader)
            return checked_images(torch.cat(frames), "(N, T+1, C, H, W)"), None if labels[0] is None else torch.cat(labels)
        except FlowlibError:
            raise
        except Exception as error:  # whatever a dataset of a user's own does
            reason = self._failing(indices)
            if reason is None and self._loader.num_workers:
                raise FlowlibError(
                    f"the workers that read the dataset failed ({type(error).__name__}: {error}), though its items can be read here: in a script put "
                    'what trains under `if __name__ == "__main__":`, let the dataset be of a class that can be imported, or take workers = 0'
                ) from error
            reason = reason or f"{type(error).__name__}: {error}"
            raise FlowlibError(f"the dataset must yield (frames (T+1, C, H, W), factor), or frames, all of one shape; {reason}") from error

    def _failing(self, indices):
        """Which of these items cannot be read alone, and why; nothing where all can, and do not fit together."""
        for index in indices.tolist():
            try:
                _collate([self._loader.dataset[index]])
            except Exception as error:
                return f"item {index} fails with {type(error).__name__}: {error}"

    def _get(self, indices, times):
        frames, said = self._read(indices)
        if self.labelled and said is not None and not torch.equal(said, known := self._labels[indices]):
            wrong = int((said != known).nonzero()[0])
            raise FlowlibError(
                f"item {int(indices[wrong])} of the dataset says factor {int(said[wrong])}, and `labels` {int(known[wrong])}: leave one of them out"
            )
        if frames.shape[1:] != (self.steps + 1, self.channels, self.size, self.size):
            raise FlowlibError(f"the dataset yields frames {tuple(frames.shape[1:])} here, and others elsewhere: all must have one shape")
        return _at(frames, torch.arange(len(frames), device="cpu"), times, self.device)


def _at(frames, rows, times, device):
    """The frames at `times`, (F,) or (n, F), of the sequences in these rows, as floats on a device."""
    where = frames.device
    return as_floats(frames[rows.to(where)[:, None], times.expand(len(rows), -1).to(where)], device)


def _collate(items):
    items = [tuple(item) if isinstance(item, tuple | list) else (item,) for item in items]
    frames = torch.stack([as_tensor(item[0]) for item in items])
    if {len(item) for item in items} == {1}:
        return frames, None
    return frames, torch.tensor([_whole(factor) for _, factor in items], device="cpu")


def _whole(label):
    if isinstance(label, str) or int(label) != label:
        raise ValueError(f"label {label!r} is no whole number")
    return int(label)


def numbered(factor, factors=None):
    """(labels, names of factors) as they were given; of labels that are names the numbers.

    Raises FlowlibError for a label that is none of the names.
    """
    words = [] if factor is None or isinstance(factor, Tensor) else _words(factor)
    if not words or not all(isinstance(word, str) for word in words):
        return factor, factors
    names = tuple(sorted(set(words))) if factors is None else names_of(factors)
    return np.array([place_of(word, names) for word in words]), names


def _words(labels):
    """What an array holds that is not of numbers, h5py's bytes as text; nothing of what is no array, which is refused elsewhere."""
    try:
        array = np.asarray(labels)
    except ValueError:
        return []
    words = array.ravel().tolist() if array.dtype.kind in "USO" else []
    return [word.decode(errors="replace") if isinstance(word, bytes) else word for word in words]


def _checked_labels(factor, count, factors):
    try:
        labels = as_tensor(factor)
    except (TypeError, ValueError) as error:
        raise FlowlibError(f"labels cannot be read as numbers ({error}): give 0 … K − 1 for the sequences, or a name for each") from error
    if labels.is_floating_point() and bool((labels == labels.round()).all()):
        labels = labels.long()  # 0.0, 1.0 … as numpy and MATLAB write them
    if labels.shape != (count,) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise FlowlibError(f"labels {tuple(labels.shape)} of type {labels.dtype}: give a whole number for each of the {count} sequences")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (factors is not None and high >= len(factors)):
        named = "0 … K − 1" if factors is None else f"0 … {len(factors) - 1}, for {len(factors)} names"
        raise FlowlibError(f"labels range from {low} to {high}: count the factors from 0, {named}")
    return labels.to("cpu", torch.int64)


def _cpu(indices):
    return indices.cpu() if isinstance(indices, Tensor) else indices
