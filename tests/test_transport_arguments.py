"""What every model takes for codes, factor and steps of `transport`, and refuses, in one place: `flowlib.models.contract`."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny import CONFIG

from flowlib.errors import FlowlibError
from flowlib.experiments.behaviour import awake
from flowlib.models import build_model, has_potentials


class TestArguments:
    @pytest.fixture(params=["flow", "flow-inferred", "vae", "linear-motion", "sparse", "msp", "tvae"])
    def moving(self, request):
        """A model that moves codes, by whatever its kind moves them."""
        model = awake(build_model(dataclasses.replace(CONFIG, model=request.param, latent_dim=9))).requires_grad_(False)
        for name, buffer in model.named_buffers():
            if name in ("displacement", "moves", "matrices"):
                buffer.normal_(generator=torch.Generator().manual_seed(1))
        return model

    def test_numbers_and_labels_of_every_kind(self, moving):
        z, backwards = torch.randn(3, 9, generator=torch.Generator().manual_seed(0)), np.array([0, 1, 2])[::-1]
        expected = torch.cat([moving.transport(z[n : n + 1], k, 2) for n, k in enumerate([2, 1, 0])])
        assert (expected.diff(dim=0).abs() > 1e-4).any() and (expected[:, 1] - expected[:, 0]).abs().max() > 1e-4
        kinds = [2, 1, 0], (2, 1, 0), backwards, backwards.astype(np.uint8), torch.tensor([2, 1, 0]), torch.tensor([2, 1, 0], dtype=torch.uint8)
        for labels in kinds:
            assert torch.allclose(moving.transport(z, labels, 2), expected, atol=1e-5)
        alone = moving.transport(z, 1, 2)
        for number in (np.int64(1), np.uint8(1), torch.tensor(1), torch.tensor([1])):
            assert torch.equal(moving.transport(z, number, torch.tensor(2), first=np.int64(1)), alone)

    @pytest.mark.parametrize(
        "factor, message",
        [
            (7, "factor 7 does not exist: the model has factors 0 … 2"), (torch.tensor([0, 1, 7]), "factor 7 does not exist"),
            (torch.zeros(6, dtype=torch.int64), "6 labels for 3 codes: give the number of one factor for all codes, or a label for each"),
            ([0, 1], "2 labels for 3 codes"), (1.7, "factor 1.7 is of torch.float32: .*whole numbers"), (torch.tensor([1.7, 0, 0]), "whole numbers"),
            (True, "of torch.bool"), (None, "factor None .*give the number"), (torch.ones(3, 3, dtype=torch.bool), "of torch.bool"),
        ],
    )  # fmt: skip
    def test_others_are_refused_in_the_same_words_by_every_model(self, moving, factor, message):
        with pytest.raises(FlowlibError, match=message):
            moving.transport(torch.zeros(3, 9), factor, 2)

    def test_weights_move_what_mixes_and_nothing_else(self, moving):
        z, weights = torch.randn(3, 9), torch.full((3, 3), 1 / 3)
        if hasattr(moving, "flow") and has_potentials(moving):
            assert torch.equal(moving.transport(z, weights.tolist(), 2), moving.transport(z, weights, 2))
            assert moving.transport(z, weights.double(), 2).dtype == z.dtype
        else:
            with pytest.raises(FlowlibError, match=r"cannot be moved by \(3, 3\) of torch.float32 .*a label for each"):
                moving.transport(z, weights, 2)

    @pytest.mark.parametrize("z", [torch.zeros(3, 4), torch.zeros(9), torch.zeros(3, 9, dtype=torch.int64), [[0.0] * 9]])
    def test_what_is_no_code_is_refused(self, moving, z):
        with pytest.raises(FlowlibError, match=r"codes are .*: give a tensor \(B, 9\) of floats"):
            moving.transport(z, 0, 2)
        if isinstance(z, torch.Tensor) and z.shape[-1] != 9:
            with pytest.raises(FlowlibError, match=r"codes are .*: give a tensor \(…, 9\) of floats"):
                moving.decode(z)

    def test_labels_that_are_written_over_are_read_again(self, moving):
        """Through numpy or `.data`, of which torch keeps no count; grouped at first, as a training batch is."""
        z, there = torch.randn(3, 9), np.array([0, 1, 2])
        labels = torch.from_numpy(there)
        moving.transport(z, labels, 2)
        there[:] = [2, 1, 0]
        assert torch.equal(moving.transport(z, labels, 2), moving.transport(z, torch.tensor([2, 1, 0]), 2))
        labels.data.fill_(1)
        assert torch.allclose(moving.transport(z, labels, 2), moving.transport(z, 1, 2), atol=1e-5)
