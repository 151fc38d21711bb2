"""Encoders and decoders of one's own: taken by any model, and told of with their name where they fail."""

import pytest
import torch
from tiny import CONFIG
from torch import nn

from flowlib.config import Config
from flowlib.errors import FlowlibError
from flowlib.models import MODELS, VAE, FlowVAE, build_model


class Encoder(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.layer, self.norm = nn.Linear(3 * 10 * 10, outputs), nn.BatchNorm1d(outputs)

    def forward(self, images):
        return self.norm(self.layer(images.flatten(1))).chunk(2, 1)


class TestOwnNetworks:
    def decoder(self, pixels=300):
        return nn.Sequential(nn.Linear(4, pixels), nn.Unflatten(1, (3, 10, -1)))

    @pytest.mark.parametrize("name", sorted(MODELS.keys() - {"tvae", "flow-inferred"}))
    def test_any_model_takes_them(self, name):
        """Images of 10 × 10 pixels."""
        encoder, decoder = Encoder(8), self.decoder()
        model = build_model(Config(latent_dim=4, model=name, width=2, size=10), encoder=encoder, decoder=decoder)
        assert model.encoder is encoder and model.decoder is decoder
        assert encoder.training and encoder.norm.num_batches_tracked == 0  # looked at, not touched
        assert model.decode(model.eval().encode(torch.rand(5, 3, 10, 10)).mean).shape == (5, 3, 10, 10)

    @pytest.mark.parametrize("error", [KeyError("missing"), AssertionError()])
    def test_what_an_encoder_raises_is_told_with_its_name(self, error):
        class Failing(Encoder):
            fails = False

            def forward(self, images):
                if self.fails:
                    raise error
                return super().forward(images)

        model = VAE(Config(latent_dim=4, width=2, size=10), encoder=Failing(8), decoder=self.decoder())
        model.encoder.fails = True
        with pytest.raises(
            FlowlibError, match=rf"encoder, a Failing .*for images \(5, 3, 10, 10\) of torch.float32 \(.*({error}|AssertionError)"
        ):
            model.encode(torch.rand(5, 3, 10, 10))
        with pytest.raises(FlowlibError, match=r"encoder cannot take \(2, 3, 10, 10\)"):
            VAE(Config(latent_dim=4, width=2, size=10), encoder=model.encoder)

    def test_weights_of_another_type_than_the_images(self):
        mine = VAE(Config(latent_dim=4, width=2, size=10), encoder=Encoder(8).double(), decoder=self.decoder())
        for model, kind in ((mine, "Encoder"), (VAE(Config(latent_dim=4, width=2, size=10)).double(), "ConvEncoder")):
            with pytest.raises(
                FlowlibError, match=f"encoder, a {kind} with weights of torch.float64, fails for images .*torch.float32 .*encoder.float"
            ):
                model.encode(torch.rand(5, 3, 10, 10, dtype=torch.float32))
            assert model.encode(torch.rand(5, 3, 10, 10).double()).mean.dtype == torch.float64

    def test_one_alone(self):
        decoder = nn.Sequential(nn.Linear(2, 3 * 28 * 28), nn.Unflatten(1, (3, 28, 28)))
        model = FlowVAE(CONFIG, decoder=decoder)
        assert model.decoder is decoder and model.encode(torch.rand(1, 3, 28, 28)).mean.shape == (1, 2)

    @pytest.mark.parametrize(
        "networks, message",
        [
            ({"encoder": Encoder(6)}, r"encoder returns \[\(2, 3\), \(2, 3\)\] for \(2, 3, 10, 10\): give mean and log σ, \(2, 4\) and \(2, 4\)"),
            ({"encoder": nn.Flatten()}, r"encoder returns \[\(2, 300\)\]"), ({"encoder": nn.Linear(3, 3)}, r"encoder cannot take \(2, 3, 10, 10\)"),
            ({"encoder": lambda images: images}, "encoder is a function: give a torch.nn.Module"),
            ({"encoder": Encoder(8), "decoder": nn.Linear(4, 300)}, r"decoder returns \[\(2, 300\)\] for \(2, 4\): give the parameters of p\(x\|z\), \(2, 3, 10, 10\)"),
        ],
    )  # fmt: skip
    def test_shapes_are_checked_when_the_model_is_made(self, networks, message):
        with pytest.raises(FlowlibError, match=message):
            VAE(Config(latent_dim=4, width=2, size=10), **networks)
