"""What someone who extends the library does wrong is said at once, in words: models, networks and measures of one's own."""

import math
from typing import Literal

import pytest
import torch
from cli_runs import here  # noqa: F401
from own_data import SMALL, arrays
from tiny import CONFIG, OPTIONS, as_it_was, sequences
from torch import nn

import flowlib
from flowlib.config import Config
from flowlib.errors import FlowlibError
from flowlib.experiments import measures
from flowlib.models import MODELS, VAE, FlowVAE, build_model
from flowlib.models.base import LatentModel
from flowlib.models.contract import check_saved
from flowlib.models.registry import register
from flowlib.training import new_model, train_run


@pytest.fixture(autouse=True)
def registered():
    """Models of one test are gone in the next."""
    with as_it_was(MODELS):
        yield


class TestOptionsOfAModel:
    @pytest.mark.parametrize("taken", ["noise_std", "device", "steps"])
    def test_a_name_that_every_run_has(self, taken):
        """It would go to the configuration, and never reach the model."""

        class Mine(VAE):
            pass

        exec(f"def __init__(self, config, {taken}=0.5): pass", namespace := {})
        Mine.__init__ = namespace["__init__"]
        with pytest.raises(FlowlibError, match=f"its own option {taken} has the name of one that every run has"):
            register("mine")(Mine)

    def test_an_annotation_that_no_option_has(self):
        class Union(VAE):
            def __init__(self, config, hidden: int | None = None):
                super().__init__(config)

        class Untold(VAE):
            def __init__(self, config, hidden=None):
                super().__init__(config)

        for model in (Union, Untold):
            with pytest.raises(FlowlibError, match="annotate its own option hidden with int, float, bool, str or a Literal"):
                register("mine")(model)

    def test_choices_and_numbers_are_taken(self):
        class Mine(VAE):
            def __init__(self, config, kind: Literal["a", "b"] = "a", count: int = 3, rate=0.5):
                super().__init__(config)
                self.kind, self.count, self.rate = kind, count, rate

        register("mine")(Mine)
        model = build_model(Config(**OPTIONS, model="mine", options={"kind": "b", "count": 4}))
        assert (model.kind, model.count, model.rate) == ("b", 4, 0.5)

    def test_the_library_s_own_names(self):
        with pytest.raises(FlowlibError, match="model 'vae' is one of flowlib's own"):
            register("vae")(type("Mine", (VAE,), {"__module__": __name__}))
        for _ in range(2):  # a notebook's cell runs again
            register("mine")(type("Mine", (VAE,), {"__module__": __name__}))
        register("vae")(VAE)
        with pytest.raises(FlowlibError, match="transformation 'hue' is one of flowlib's own"):
            flowlib.transformation("hue")(lambda images, strength: images)


class Measured(VAE):
    """Measures a number after training, and keeps it where it was told to."""

    kept = False

    def __init__(self, config):
        super().__init__(config)
        if self.kept:
            self.register_buffer("seen", torch.zeros(2))

    def calibrate(self, sequences):
        self.seen = torch.full((2,), float(len(sequences)))
        return super().calibrate(sequences)


class TestWhatACheckpointKeeps:
    def test_a_plain_tensor_is_refused(self, tmp_path):
        config = Config(**OPTIONS, model="measured")
        register("measured")(Measured)
        with pytest.raises(FlowlibError, match=r"Measured: seen is a plain tensor, .*self.register_buffer\('seen'"):
            train_run(tmp_path, config, sequences(config), progress=False)
        assert not (tmp_path / "model.safetensors").exists()

    def test_a_buffer_comes_back(self, tmp_path):
        config = Config(**OPTIONS, model="kept")
        register("kept")(type("Kept", (Measured,), {"kept": True}))
        train_run(tmp_path, config, sequences(config), progress=False)
        assert flowlib.load(tmp_path / "model.safetensors").seen.tolist() == [7.0, 7.0]

    def test_inside_of_a_part(self):
        model = new_model(CONFIG)
        model.decoder.table = torch.zeros(3)
        with pytest.raises(FlowlibError, match="FlowVAE: decoder.table is a plain tensor"):
            check_saved(model)

    @pytest.mark.parametrize("name", sorted(MODELS))
    def test_none_of_ours_has_one(self, name):
        config = Config(**OPTIONS | {"latent_dim": 15}, model=name)
        model = new_model(config)
        if name != "sparse":  # which is calibrated on mixed sequences
            model.calibrate(sequences(config))
        check_saved(model)


class Encoder(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(324, 4))

    def forward(self, images):
        return super().forward(images).chunk(2, 1)


class TestNetworksOfOnesOwn:
    def networks(self, seed=0):
        torch.manual_seed(seed)
        return {"encoder": Encoder(), "decoder": nn.Sequential(nn.Linear(2, 324), nn.Unflatten(1, (1, 18, 18)))}

    def test_are_trained_gone_on_with_and_loaded(self, tmp_path):
        source, options = flowlib.RecordedSequences(**arrays()), {"progress": False, "device": "cpu"} | SMALL | {"latent_dim": 2}
        mine = self.networks()
        before = mine["encoder"][1].weight.detach().clone()
        trained = flowlib.train(source, tmp_path / "run", **options, **mine)
        assert trained.encoder is mine["encoder"] and not torch.equal(before, trained.encoder[1].weight)
        for again in (
            flowlib.load(tmp_path / "run", **self.networks(1)),
            flowlib.train(source, tmp_path / "run", **options, **self.networks(2)),
        ):
            assert torch.equal(again.encoder[1].weight, trained.encoder[1].weight)
        with pytest.raises(FlowlibError, match="networks of your own.*flowlib.load"):
            flowlib.load(tmp_path / "run")

    def test_a_model_without_a_place_for_them(self):
        class Mine(VAE):
            def __init__(self, config):
                super().__init__(config)

        register("mine")(Mine)
        with pytest.raises(FlowlibError, match="Mine takes no encoder of your own"):
            build_model(Config(**OPTIONS, model="mine"), encoder=Encoder())


class TestSteps:
    def test_a_model_that_does_not_know_parts_and_ways_back(self):
        class Mine(LatentModel):
            def transport(self, z, factor, steps, first=1):
                return torch.stack([z + t for t in range(steps + 1)], 1)

        model, z = Mine(CONFIG), torch.zeros(3, 2)
        assert model.transport(z, 0, 2)[:, -1].eq(2).all() and model.transport(z, 0, 2.0).shape == (3, 3, 2)
        for steps in (-1, 1.5):
            with pytest.raises(FlowlibError, match=f"steps = {steps}: Mine says of no way back"):
                model.transport(z, 0, steps)
        with pytest.raises(FlowlibError, match="Mine says of no way back"):
            model.transport(z, 0, 1, first=1.5)

    @pytest.mark.parametrize("steps", [-2, 1.5])
    def test_a_program_goes_forward_in_whole_steps(self, steps):
        model, program = FlowVAE(CONFIG), torch.ones(3, 2, 3)
        assert model.transport(torch.zeros(3, 2), program, 2).shape == (3, 3, 2)
        with pytest.raises(FlowlibError, match="it is followed forward, in whole steps"):
            model.transport(torch.zeros(3, 2), program, steps)

    def test_weights_may_be_whole_numbers(self):
        model, z = FlowVAE(CONFIG), torch.randn(2, 2, generator=torch.Generator().manual_seed(0))
        whole = torch.tensor([[0, 1, 0], [1, 0, 1]])
        assert torch.equal(model.transport(z, whole, 2), model.transport(z, whole.float(), 2))

    @pytest.mark.parametrize("name", ["flow", "tvae"])
    def test_codes_of_another_type_than_the_weights(self, name):
        model = new_model(Config(**OPTIONS | {"latent_dim": 15}, model=name))
        z = torch.zeros(2, 15, dtype=torch.float64)
        wanted = r"codes are torch.float64 on cpu, the weights of \w+ torch.float32 on cpu: .*codes.to\('cpu', torch.float32\)"
        with pytest.raises(FlowlibError, match=wanted):
            model.decode(z)
        if name == "flow":
            with pytest.raises(FlowlibError, match=wanted):
                model.transport(z, 0, 1)
            with pytest.raises(FlowlibError, match="codes are torch.float32 on meta"):
                model.transport(torch.zeros(2, 15, device="meta"), 0, 1)
        assert model.double().decode(z).shape == (2, 3, 28, 28)


def test_a_measure_of_what_not_every_model_has(monkeypatch):
    """It is not called for the others, finds nothing, and tables show that it is no number."""
    monkeypatch.setattr(measures.registry, "MEASURES", before := {})

    @measures.registry.register(needs=lambda model: hasattr(model, "potentials"), columns=[("weights", lambda found: found["count"], 0)])
    def weights(model, config):
        return {"count": sum(one.numel() for one in model.potentials.parameters())}

    found = [measures.registry.measure("weights", model, CONFIG) for model in (FlowVAE(CONFIG), VAE(CONFIG))]
    (column,) = before["weights"].columns
    assert found[0]["count"] == column[1](found[0]) > 0 and found[1] == {} and math.isnan(column[1](found[1]))
    with pytest.raises(FlowlibError, match="measure 'weights' of a VAE: AttributeError"):
        monkeypatch.setattr(VAE, "potentials", None, raising=False)
        measures.registry.measure("weights", VAE(CONFIG), CONFIG)
