"""Results are held to what the code does: tiny real runs, compared with the stored ones. Mutations show that the gate sees them."""

import dataclasses
import json

import pytest
import torch

from flowlib.config import Config
from flowlib.experiments import behaviour
from flowlib.experiments.behaviour import (
    TOLERANCE,
    Behaviours,
    awake,
    changed,
    constants_of,
    measure_behaviour,
    method_behaviour,
    method_name,
    unlike,
)
from flowlib.experiments.catalogue import EXPERIMENTS
from flowlib.experiments.measures import MEASURES
from flowlib.experiments.results import results_folder
from flowlib.training import new_model

METHODS = {method_name(config): config for one in EXPERIMENTS.values() for config in one.methods.values()}
STORED = Behaviours(results_folder()).stored
REMEDY = "if this is meant: python -m flowlib experiments update"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_does_what_it_did(name):
    difference = unlike(STORED["methods"][name], method_behaviour(METHODS[name]), TOLERANCE["methods"])
    assert difference is None, f"method {name} — {difference}; {REMEDY}"


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_finds_what_it_found(name):
    difference = changed("measures", STORED["measures"][name], measure_behaviour(name))
    assert difference is None, f"measure {name} — {difference}; {REMEDY}"


def test_nothing_is_stored_that_is_no_more():
    assert set(STORED["methods"]) == set(METHODS) and set(STORED["measures"]) == set(MEASURES)


class TestMutations:
    """Each would pass unseen if the tiny runs were too tame, or the comparison too loose."""

    def changed(self, **options):
        config = Config(**options)
        return unlike(STORED["methods"][method_name(config)], method_behaviour(config), TOLERANCE["methods"])

    def test_trace_in_place_of_the_exact_determinant(self, monkeypatch):
        from flowlib.flows import Trajectory
        from flowlib.models import flow_vae

        monkeypatch.setattr(Trajectory, "log_density_change", flow_vae.trace_density_change)
        assert self.changed(objective="marginal").startswith("terms kl[0]")

    def test_one_in_place_of_one_half_in_the_residual(self, monkeypatch):
        from flowlib.flows import posterior

        monkeypatch.setattr(posterior, "hamilton_jacobi_residual", lambda rate, gradient: rate + gradient.square().sum(-1))
        assert self.changed().startswith("terms loss[0]")

    def test_a_wrong_sign_of_the_kl(self, monkeypatch):
        from flowlib.models.protocol import Posterior

        real = Posterior.kl
        monkeypatch.setattr(Posterior, "kl", lambda self: -real(self))
        for model in ("flow", "vae"):
            assert self.changed(**({"model": model} if model == "vae" else {})) is not None

    def test_a_calibration_that_is_one_step_off(self, monkeypatch):
        from flowlib.models import VAE

        real = VAE.calibrate
        monkeypatch.setattr(VAE, "calibrate", lambda self, *rest: (real(self, *rest), self.displacement.copy_(self.displacement.roll(1, 1)))[0])
        assert self.changed(model="vae").startswith("moved")

    def test_an_error_that_forgets_the_last_frame(self, monkeypatch):
        from flowlib.experiments.measures import equivariance

        real = equivariance.equivariance_error
        monkeypatch.setattr(equivariance, "equivariance_error", lambda *rest: real(*rest) * 0.9)
        assert changed("measures", STORED["measures"]["equivariance"], measure_behaviour("equivariance"))

    def test_a_likelihood_without_its_one_over_m(self, monkeypatch):
        from flowlib.evaluation import likelihood

        monkeypatch.setattr(likelihood, "from_log_weights", lambda w: likelihood.LogLikelihood(torch.logsumexp(w, 0), torch.ones(w.shape[1:])))
        assert changed("measures", STORED["measures"]["likelihood"], measure_behaviour("likelihood"))

    def test_a_thousand_nats_more_than_a_fitted_proposal_gives(self, monkeypatch):
        """Its values are unsteady, for rounding moves the fit; their mean is not."""
        from flowlib.experiments.measures import fitted_likelihood

        real = fitted_likelihood.of_sequences
        monkeypatch.setattr(fitted_likelihood, "of_sequences", lambda values, count: real(values + 1000, count))
        assert "roughly" in changed("measures", STORED["measures"]["fitted_likelihood"], measure_behaviour("fitted_likelihood"))

    @pytest.mark.parametrize(
        "name, constant", [("equivariance", "IMAGES"), ("patient_likelihood", "TEMPERATURES"), ("searched_likelihood", "SEARCH")]
    )
    def test_fewer_images_or_steps(self, monkeypatch, name, constant):
        """On the six images of the tiny runs they would change nothing."""
        monkeypatch.setattr(f"flowlib.experiments.measures.{MEASURES[name].take.__module__.rpartition('.')[2]}.{constant}", 7)
        stored = STORED["measures"][name]
        assert stored["settings"][constant] != "7"
        assert changed("measures", stored, stored | {"settings": constants_of(MEASURES[name].take)}).startswith(f"settings {constant}")


class TestVersions:
    def test_a_models_version_is_part_of_what_it_does(self, monkeypatch):
        from flowlib.models import VAE

        monkeypatch.setattr(VAE, "version", 2)
        config = Config(model="vae")
        assert unlike(STORED["methods"]["vae"], method_behaviour(config), TOLERANCE["methods"]) == "version: 1 before, 2 now"


class TestComparison:
    @pytest.mark.parametrize(
        "stored, now", [(1.0, 1.00009), ([1, 2], [2, 2]), ({"a": [0.5]}, {"a": [0.5001]}), ("x", "x"), (None, None), (True, True)]
    )
    def test_alike(self, stored, now):
        assert unlike(stored, now, (1e-4, 2e-4)) is None

    @pytest.mark.parametrize(
        "stored, now, place",
        [
            (1.0, 1.001, ""), ([1, 2], [1, 4], "[1]"), ({"a": {"b": [0.5]}}, {"a": {"b": [0.6]}}, "a b[0]"), ({"a": 1}, {"b": 1}, ""),
            ([1], [1, 2], ""), (1, 1.0, ""), (True, False, ""), (1.0, None, ""), (1.0, float("nan"), ""),
        ],
    )  # fmt: skip
    def test_unlike(self, stored, now, place):
        assert unlike(stored, now, (1e-4, 2e-4)).startswith(f"{place}: ")


class TestStore:
    def test_new_ones_are_stored_and_changed_ones_named(self, tmp_path, monkeypatch):
        config = Config(model="vae")
        assert Behaviours(tmp_path).changes([config], []) == {}
        path = tmp_path / behaviour.FILE
        before = path.read_bytes()
        assert set(json.loads(before)["methods"]) == {"vae"}
        monkeypatch.setattr(behaviour, "method_behaviour", lambda config: {"version": 1, "terms": {}, "moved": []})
        assert list(Behaviours(tmp_path).changes([config], [])) == [("methods", "vae")]
        assert path.read_bytes() == before  # seeing a change stores nothing
        Behaviours(tmp_path).update([config], [])
        assert Behaviours(tmp_path).changes([config], []) == {}

    def test_what_two_processes_store_side_by_side_is_kept(self, tmp_path):
        one, other = Behaviours(tmp_path), Behaviours(tmp_path)
        one.store("methods", "vae", {"version": 1})
        other.store("methods", "flow", {"version": 1})
        one.store("measures", "some", {"version": 2})
        one.store("methods", "vae", {"version": 3})
        other.store("measures", "more", {"version": 4})
        assert Behaviours(tmp_path).stored == {
            "methods": {"vae": {"version": 3}, "flow": {"version": 1}},
            "measures": {"some": {"version": 2}, "more": {"version": 4}},
        }

    def test_digests_tell_behaviours_apart(self, tmp_path):
        known = Behaviours(tmp_path)
        config = Config(model="vae")
        empty = known.digest(config)
        known.store("methods", "vae", {"version": 1})
        first = known.digest(config)
        known.store("methods", "vae", {"version": 2})
        assert len({empty, first, known.digest(config)}) == 3


def test_names_tell_methods_apart_whatever_their_size():
    base = Config()
    assert method_name(base) == method_name(dataclasses.replace(base, seed=3, steps=9, latent_dim=4, learning_rate=0.1)) == "flow"
    assert method_name(dataclasses.replace(base, model="vae", options={"beta": 4.0})) == "vae (beta 4.0)"
    assert method_name(dataclasses.replace(base, hj_penalty="none")) == "flow (hj_penalty none)"


def test_a_flow_that_stands_still_is_set_in_motion():
    model = awake(new_model(behaviour.tiny(Config())))
    z = torch.randn(3, 9, generator=torch.Generator().manual_seed(0))
    assert model.transport(z, 0, 2).diff(dim=1).norm(dim=-1).min() > 0.01
