"""Encoders and decoders of one's own: taken by any model, and told of with their name where they fail."""

import dataclasses

import pytest
import torch
from tiny import CONFIG, sequences
from torch import nn

import flowlib
from flowlib.config import Config
from flowlib.errors import FlowlibError
from flowlib.models import MODELS, VAE, FlowVAE, build_model
from flowlib.training import Trainer, new_model
from flowlib.training.checkpoint import save
from flowlib.training.optimizers import restore, state_of
from flowlib.training.run import train_run


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


class Plain(nn.Module):
    """With the names and shapes of another class's weights."""

    def __init__(self, width=4, activation=nn.Tanh, dropout=0.0):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, width), activation(), nn.Dropout(dropout))

    def forward(self, images):
        return self.net(images).chunk(2, 1)


class Other(Plain):
    pass


class TestRuns:
    """A run with an encoder of one's own: its class is noted, and its dropout is the seed's."""

    def encoder(self, **options):
        torch.manual_seed(0)
        return Plain(**options)

    def test_other_networks_are_refused(self, tmp_path):
        path = tmp_path / "model.safetensors"
        model = new_model(CONFIG, encoder=self.encoder())
        assert model.own_networks == {"encoder": "Plain"}
        save(path, {"model": model.state_dict()}, CONFIG, 1, model.own_networks)
        assert torch.equal(flowlib.load(path, encoder=Plain()).encoder.net[1].weight, model.encoder.net[1].weight)
        for given, said in (({}, "flowlib's alone"), ({"encoder": Other()}, "encoder Other")):
            with pytest.raises(FlowlibError, match=rf"trained with other networks of your own \(encoder Plain\) than are given \({said}\)"):
                flowlib.load(path, **given)
        save(path, {"model": new_model(CONFIG).state_dict()}, CONFIG, 1, {})
        with pytest.raises(FlowlibError, match=r"\(flowlib's alone\) than are given \(encoder Plain\)"):
            flowlib.load(path, encoder=Plain())

    def test_a_run_does_not_go_on_with_others(self, tmp_path):
        config = dataclasses.replace(CONFIG, steps=4, checkpoint_every=2)
        Trainer(new_model(config, encoder=self.encoder()), sequences(config), config, tmp_path).run(2, progress=False)
        with pytest.raises(FlowlibError, match="trained with other networks of your own"):
            Trainer(new_model(config), sequences(config), config, tmp_path)

    def test_dropout_is_the_seeds_also_after_an_interruption(self, tmp_path):
        config = dataclasses.replace(CONFIG, steps=4, checkpoint_every=2)

        def run(folder=None, steps=4):
            made = Trainer(new_model(config, encoder=self.encoder(dropout=0.5)), sequences(config), config, folder)
            torch.rand(3)  # whatever else is drawn
            made.run(steps, progress=False)
            return made.model.state_dict()

        whole, again = run(), run()
        run(tmp_path, 2)
        resumed = run(tmp_path)
        assert all(torch.equal(whole[name], other[name]) for other in (again, resumed) for name in whole)

    def test_training_leaves_the_global_generator_as_it_was(self):
        made = Trainer(new_model(CONFIG, encoder=self.encoder(dropout=0.5)), sequences(CONFIG), CONFIG)
        before = torch.get_rng_state()
        made.run(2, progress=False)
        assert torch.equal(torch.get_rng_state(), before)


class Deep(nn.Module):
    """Two layers of one shape and a last one; some of them frozen."""

    def __init__(self, frozen=()):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = nn.Linear(3 * 28 * 28, 8), nn.Linear(8, 8), nn.Linear(8, 4)
        self.third = nn.Linear(8, 8)
        for name in frozen:
            getattr(self, name).requires_grad_(False)

    def forward(self, images):
        return self.last(self.third(self.second(self.first(images.flatten(1)).tanh()).tanh()).tanh()).chunk(2, 1)


class TestFrozenLayers:
    """What Adam remembers belongs to a parameter, not to a place in a list."""

    @pytest.mark.parametrize("optimizer", ["adam", "muon"])
    def test_a_run_goes_on_as_if_it_had_never_stopped(self, tmp_path, optimizer):
        config = dataclasses.replace(CONFIG, steps=4, checkpoint_every=2, optimizer=optimizer)

        def run(folder=None, steps=4):
            made = Trainer(new_model(config, encoder=Deep(["second"])), sequences(config), config, folder)
            made.run(steps, progress=False)
            return made.model.state_dict()

        whole = run()
        run(tmp_path, 2)
        resumed = run(tmp_path)
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)

    @pytest.mark.parametrize("then, named", [(["third"], "third.bias.*second.bias"), ([], "second.bias"), (["second", "last"], "last.bias")])
    def test_others_are_refused(self, tmp_path, then, named):
        """Also one of the same shape, whose memory would fit, and be the wrong one."""
        config = dataclasses.replace(CONFIG, steps=4, checkpoint_every=2)
        Trainer(new_model(config, encoder=Deep(["second"])), sequences(config), config, tmp_path).run(2, progress=False)
        with pytest.raises(FlowlibError, match=f"other parameters free to learn .*{named}"):
            Trainer(new_model(config, encoder=Deep(then)), sequences(config), config, tmp_path)

    @pytest.mark.parametrize("then", [["second"], []])
    def test_files_that_number_their_parameters(self, then):
        """As older ones do, in the order of the parameters that learn."""
        config = dataclasses.replace(CONFIG, steps=4)
        trainer = Trainer(new_model(config, encoder=Deep(["second"])), sequences(config), config)
        trainer.run(2, progress=False)
        adam = trainer.optimizers["optimizer"]
        numbered = {f"{index}.{key}": value for index, named in adam.state_dict()["state"].items() for key, value in named.items()}
        other = Trainer(new_model(config, encoder=Deep(then)), sequences(config), config)
        if then:
            restore(other.optimizers["optimizer"], other.model, numbered)
            kept = state_of(other.optimizers["optimizer"], other.model)
            assert all(torch.equal(kept[name], value) for name, value in state_of(adam, trainer.model).items())
        else:
            with pytest.raises(FlowlibError, match="other parameters free to learn"):
                restore(other.optimizers["optimizer"], other.model, numbered)


class Tied(nn.Module):
    """A decoder two of whose layers share a weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 3 * 28 * 28)
        self.second.weight = self.first.weight

    def forward(self, codes):
        return self.last(self.second(self.first(codes).tanh())).unflatten(1, (3, 28, 28))


def test_weights_that_layers_share(tmp_path):
    config = dataclasses.replace(CONFIG, steps=4, checkpoint_every=2)
    torch.manual_seed(0)
    trainer = train_run(tmp_path, config, sequences(config), progress=False, decoder=Tied())
    loaded = flowlib.load(tmp_path, decoder=Tied())
    assert loaded.decoder.first.weight is loaded.decoder.second.weight
    assert torch.equal(loaded.decoder.first.weight, trainer.model.decoder.first.weight)


def test_a_finished_run_without_its_checkpoint_is_not_begun_again(tmp_path):
    config = dataclasses.replace(CONFIG, steps=2, checkpoint_every=2)
    train_run(tmp_path / "new" / "run", config, sequences(config), progress=False)  # whose folders are made
    (tmp_path / "new" / "run" / "checkpoint.safetensors").unlink()
    with pytest.raises(FlowlibError, match="holds a finished run, whose checkpoint.safetensors is gone"):
        train_run(tmp_path / "new" / "run", config, sequences(config), progress=False)
