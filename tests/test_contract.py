"""A model that breaks its contract fails where it is written, or at its first step, with a message that says what to do."""

import dataclasses
from typing import Literal

import pytest
import torch
from tiny import CONFIG, OPTIONS, sequences
from torch import nn

import flowlib
from flowlib.config import Config, preset
from flowlib.errors import FlowlibError
from flowlib.models import (
    MODELS,
    VAE,
    FlowVAE,
    InferredFlowVAE,
    LatentModel,
    build_model,
    has_potentials,
    own_options,
    register,
    weighs_sequences,
)
from flowlib.models.contract import check_idle, check_terms
from flowlib.models.protocol import Posterior
from flowlib.training import Trainer, new_model


class TestTransport:
    @pytest.mark.parametrize(
        "base, instead",
        [
            (FlowVAE, "flow"),
            (InferredFlowVAE, "flow"),
            (MODELS["poflow"], "flow"),
            (MODELS["sparse"], "move or velocities"),
            (MODELS["tvae"], "roll or topographic"),
        ],
    )
    def test_overriding_transport_alone_is_refused(self, base, instead):
        with pytest.raises(FlowlibError, match=f"Motion overrides transport, .*override {instead}, by which"):
            type("Motion", (base,), {"transport": lambda self, z, factor, steps, first=1: None})

    def test_also_when_it_comes_from_a_mixin(self):
        class Mixin:
            def transport(self, z, factor, steps, first=1):
                return z[:, None]

        with pytest.raises(FlowlibError, match="override flow"):
            type("Motion", (Mixin, FlowVAE), {})

    def test_with_its_own_flow_or_objective_it_is_not(self):
        for base, name in (
            (FlowVAE, "flow"),
            (FlowVAE, "objective"),
            (MODELS["sparse"], "velocities"),
            (MODELS["tvae"], "roll"),
            (VAE, "transport"),
        ):
            type("Motion", (base,), {"transport": base.transport, name: getattr(base, name)})

    def test_an_overridden_flow_moves_codes_everywhere(self):
        class Slower(FlowVAE):
            def flow(self, z, factor, steps, first=1, **options):
                flow = super().flow(z, factor, steps, first, **options)
                path = z[:, None] + 0.5 * (flow.path - z[:, None])
                return dataclasses.replace(flow, path=path, velocity=0.5 * flow.velocity)

        torch.manual_seed(0)
        config = dataclasses.replace(CONFIG, objective="marginal", log_det="none")
        slower = Slower(config)
        plain = FlowVAE(config)
        plain.load_state_dict(slower.state_dict())
        slower.potentials.head.data.normal_()
        plain.potentials.head.data.copy_(slower.potentials.head.data)
        z = torch.randn(2, 2)
        assert torch.allclose(slower.transport(z, 0, 2), z[:, None] + 0.5 * (plain.transport(z, 0, 2) - z[:, None]))
        batch = sequences().training_batch(6, 1, torch.Generator().manual_seed(0))
        losses = [one.objective(batch, torch.Generator().manual_seed(0))["kl"].item() for one in (slower, plain)]
        assert losses[0] != losses[1]

    @pytest.mark.parametrize("wrong", [lambda z, steps: z, lambda z, steps: z[:, None].expand(-1, steps, -1), lambda z, steps: None])
    def test_a_wrong_shape_is_named_at_the_first_call(self, wrong):
        class Wrong(VAE):
            def transport(self, z, factor, steps, first=1):
                return wrong(z, steps)

        model = Wrong(CONFIG)
        with pytest.raises(FlowlibError, match=r"Wrong.transport returned .* for 3 steps: give \(5, 4, 2\), z first"):
            model.transport(torch.zeros(5, 2), 0, 3)

    @pytest.mark.parametrize(
        "wrong, said", [(None, "a NoneType"), ("mean", "a mean of shape \\(5, 3\\)"), ("tensor", "\\(5, 2\\) of torch.float32")]
    )
    def test_what_an_encoder_owes_is_asked_at_the_first_call(self, wrong, said):
        class Wrong(VAE):
            def encode(self, images):
                wide = images.new_zeros(5, 3)
                return {"mean": Posterior(wide, wide), "tensor": wide[:, :2]}.get(wrong)

        with pytest.raises(FlowlibError, match=rf"Wrong.encode returned {said}: give .*Posterior of mean and log σ, \(5, 2\) each"):
            Wrong(CONFIG).encode(torch.zeros(5, CONFIG.channels, CONFIG.size, CONFIG.size))

    @pytest.mark.parametrize("wrong", [lambda z: None, lambda z: z, lambda z: z.new_zeros(len(z), CONFIG.channels, CONFIG.size, CONFIG.size)])
    def test_what_a_decoder_owes_is_asked_at_the_first_call(self, wrong):
        class Wrong(VAE):
            def decode(self, z):
                return wrong(z)

        with pytest.raises(FlowlibError, match=rf"Wrong.decode returned .* for codes \(4, 5, 2\): give \(4, 5, {CONFIG.channels}, "):
            Wrong(CONFIG).decode(torch.zeros(4, 5, 2))

    @pytest.mark.parametrize("name", ["flow", "flow-inferred", "vae", "linear-motion", "sparse"])
    @pytest.mark.parametrize("factor", [-1, torch.tensor([0, -1]), "twist"])
    def test_no_factor_is_counted_from_the_end(self, name, factor):
        model = build_model(dataclasses.replace(CONFIG, model=name, options={}))
        with pytest.raises(FlowlibError, match="factor (-1 does not exist|'twist': choose one of)"):
            model.transport(torch.zeros(2, CONFIG.latent_dim), factor, 1)

    def test_a_factor_may_be_given_by_its_name(self, generator):
        torch.manual_seed(0)
        model = build_model(CONFIG)
        model.potentials.head.data.normal_()
        z = torch.randn(2, CONFIG.latent_dim, generator=generator)
        for number, name in enumerate(CONFIG.factors):
            assert torch.equal(model.transport(z, name, 2), model.transport(z, number, 2))


class TestClass:
    def test_missing_methods_are_named(self):
        with pytest.raises(FlowlibError, match="Half lacks transport, frame_log_weights, objective"):
            register("half")(type("Half", (LatentModel,), {}))
        assert "half" not in MODELS

    def test_another_constructor(self):
        class Odd(VAE):
            def __init__(self, width, config):
                super().__init__(config)

        with pytest.raises(FlowlibError, match=r"Odd\(width, …\): the constructor begins with config"):
            register("odd")(Odd)

    def test_an_option_without_a_default(self):
        class Bare(VAE):
            def __init__(self, config, *, price):
                super().__init__(config)

        with pytest.raises(FlowlibError, match="give its own option price a default"):
            register("bare")(Bare)


def trainer(model):
    return Trainer(model, sequences(), CONFIG)


class TestFirstStep:
    def test_parameters_that_the_loss_forgets_are_named(self):
        class Forgetful(VAE):
            def __init__(self, config):
                super().__init__(config)
                self.drift = nn.Parameter(torch.ones(2))

        with pytest.raises(FlowlibError, match="loss of Forgetful does not depend on drift: .*requires_grad_"):
            trainer(Forgetful(CONFIG)).train_step()
        frozen = Forgetful(CONFIG)
        frozen.drift.requires_grad_(False)
        trainer(frozen).train_step()

    @pytest.mark.parametrize("name", sorted(MODELS))
    def test_every_model_learns_with_all_that_it_has(self, name):
        config = dataclasses.replace(CONFIG, model=name, latent_dim=9)
        Trainer(new_model(config), sequences(), config).train_step()

    @pytest.mark.parametrize(
        "changes",
        [
            {"prior": "none"}, {"hj_penalty": "none"}, {"hj_penalty": "paper"}, {"velocity": "free", "hj_penalty": "none"}, {"bounded_potential": True},
            {"velocity": "turning", "hj_penalty": "none"}, {"velocity": "rotating", "hj_penalty": "none"}, {"objective": "marginal", "log_det": "series"}, {"objective": "marginal", "log_det": "none"}, {"prior": "none", "hj_penalty": "none"},
            {"objective": "marginal", "log_det_steps": 1}, {"decoded": "one"},
        ],
    )  # fmt: skip
    def test_every_kind_of_flow_does(self, changes):
        config = dataclasses.replace(CONFIG, **changes)
        Trainer(new_model(config), sequences(), config).train_step()

    @pytest.mark.parametrize(
        "terms, message",
        [
            (torch.ones(()), "returned a Tensor"), ({"elbo": torch.ones(())}, "a dict of 'elbo': .*among them 'loss'"),
            ({"loss": torch.ones(6, requires_grad=True)}, r"'loss' is of shape \(6,\); give a scalar"),
            ({"loss": torch.ones((), requires_grad=True), "kl": 3.0}, "'kl' is a float"), ({"loss": torch.ones(())}, "depends on no parameter"),
        ],
    )  # fmt: skip
    def test_terms_that_nothing_can_be_learned_from(self, terms, message, monkeypatch):
        model = VAE(CONFIG)
        with pytest.raises(FlowlibError, match=message):
            check_terms(model, terms)
        monkeypatch.setattr(model, "objective", lambda batch, generator: terms)
        with pytest.raises(FlowlibError, match=message):
            trainer(model).train_step()


class TestOptions:
    @pytest.fixture(autouse=True)
    def typed_model(self, monkeypatch):
        class Typed(VAE):
            def __init__(
                self,
                config,
                kind: Literal["soft", "hard"] = "soft",
                count: int = 2,
                share=0.5,
                shared=False,
                **networks,
            ):
                super().__init__(config, **networks)
                self.found = kind, count, share, shared

        monkeypatch.setitem(MODELS, "typed", Typed)

    def build(self, **options):
        return build_model(Config(**OPTIONS, model="typed", options=options))

    def test_types_and_choices_reach_the_model(self):
        assert own_options("typed") == {"kind": "soft", "count": 2, "share": 0.5, "shared": False}
        assert self.build(kind="hard", count=3.0, share=1, shared=True).found == ("hard", 3, 1, True)
        assert type(self.build(count=3.0).found[1]) is int

    @pytest.mark.parametrize(
        "options, message",
        [
            ({"kind": "firm"}, r"kind = 'firm': choose one of soft, hard \(default 'soft'\)"), ({"count": 2.5}, "count = 2.5: give a whole number"),
            ({"share": "much"}, "share = 'much': give a number"), ({"share": True}, "share = True: give a number"),
            ({"shared": 1.0}, "shared = 1.0: give a value of type bool"), ({"color": 1.0}, "its own are kind, count, share, shared"),
        ],
    )  # fmt: skip
    def test_others_are_refused_by_name(self, options, message):
        with pytest.raises(FlowlibError, match=message):
            self.build(**options)

    @pytest.mark.parametrize(
        "model, changes",
        [
            ("vae", {"log_det": "trace"}), ("slow-vae", {"objective": "marginal"}), ("poflow", {"hj_weight": 1.0}), ("tvae", {"diffusion": 0.1}),
            ("poflow", {"velocity": "free", "hj_penalty": "none"}), ("poflow", {"bounded_potential": True}), ("flow-inferred", {"log_det": "none"}),
            ("vae", {"decoded": "one"}), ("slow-vae", {"decoded": "one"}), ("flow-published", {"log_det": "rows"}), ("flow-published", {"objective": "marginal"}),
        ],
    )  # fmt: skip
    def test_choices_that_would_do_nothing_are_refused(self, model, changes):
        default, name = Config(), next(iter(changes))
        with pytest.raises(
            FlowlibError, match=f"{name} = {changes[name]!r}.*the model '{model}' has no use for this; leave {name} {getattr(default, name)}"
        ):
            build_model(Config(**OPTIONS | {"latent_dim": 9}, model=model, **changes))
        build_model(Config(**OPTIONS | {"latent_dim": 9}, model=model))  # potential_width, a size of what is not there harms nobody

    @pytest.mark.parametrize("model, changes, why", [
        ("flow", {"log_det": "trace"}, "where the objective is not marginal"), ("flow", {"hj_weight": 3.0, "hj_penalty": "none"}, "without a penalty"),
        ("flow", {"diffusion": 0.5, "prior": "none"}, "without a prior's flow"), ("flow", {"learn_diffusion": False, "prior": "none"}, "without a prior's"),
        ("linear-motion", {"diffusion": 0.5, "prior": "none"}, "without a prior's flow"),
    ])  # fmt: skip
    def test_choices_that_another_choice_makes_idle_are_refused(self, model, changes, why):
        name, one = next(iter(changes)), Config(**OPTIONS, model=model, **changes)
        with pytest.raises(FlowlibError, match=f"{name} = {changes[name]!r} changes nothing {why}.*; leave {name} {getattr(Config(), name)}"):
            flowlib.train("digits", preset="tutorial-mnist", **OPTIONS, model=model, **changes)
        check_idle(MODELS[model], dataclasses.replace(one, **{name: getattr(Config, name)}))
        build_model(one)  # what was trained before can be loaded

    def test_poflow_without_build_model_too(self):
        with pytest.raises(FlowlibError, match="velocity = 'free'"):
            MODELS["poflow"](Config(**OPTIONS, velocity="free", hj_penalty="none"))

    def test_the_papers_preset_is_for_the_flow(self):
        with pytest.raises(FlowlibError, match="objective = 'marginal', log_det = 'series'"):
            build_model(dataclasses.replace(preset("paper-mnist"), model="vae"))


def test_what_is_optional_is_asked_for_in_one_place():
    free = dataclasses.replace(CONFIG, velocity="free", hj_penalty="none")
    assert (
        has_potentials(FlowVAE(CONFIG))
        and not has_potentials(FlowVAE(free))
        and not has_potentials(VAE(CONFIG))
        and not has_potentials(object())
    )
    assert weighs_sequences(FlowVAE(CONFIG)) and not weighs_sequences(VAE(CONFIG))
