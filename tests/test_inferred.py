"""k inferred from the sequence (M15): the mixture flow, the objective's new terms, labels."""

import dataclasses

import pytest
import torch
from tiny import CONFIG, sequences
from torch.distributions import Categorical, kl_divergence
from torch.func import jacrev

from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, VelocityBank, run_flow
from flowlib.models import FlowVAE, build_model

INFERRED = dataclasses.replace(CONFIG, model="flow-inferred")


def built(**options):
    torch.manual_seed(0)
    model = build_model(dataclasses.replace(INFERRED, options=options)).double()
    model.potentials.head.data.normal_()
    return model


def batch():
    made = sequences().training_batch(6, 1, torch.Generator().manual_seed(2))
    return Batch(made.frames.double(), made.times, made.factor, made.steps)


class TestMixedFlow:
    def bank(self):
        torch.manual_seed(1)
        made = PotentialBank(3, 4, 8).double()
        made.head.data.normal_()
        return made

    def test_one_hot_rows_are_labels(self, double, generator):
        z, labels = torch.randn(5, 4, generator=generator), torch.tensor([2, 0, 1, 1, 0])
        mixed = run_flow(self.bank(), z, torch.eye(3)[labels], 4, first=2)
        labelled = run_flow(self.bank(), z, labels, 4, first=2)
        for name in ("path", "velocity", "residual"):
            assert torch.allclose(getattr(mixed, name), getattr(labelled, name), atol=1e-12), name

    def test_noise_has_its_scale(self, double, generator):
        z, scale = torch.zeros(4, 4), torch.tensor([0.0, 1.0, 2.0, 3.0])
        flow = run_flow(self.bank(), z, torch.zeros(4, 3), 2, noise_scale=scale, generator=generator)
        assert torch.allclose(flow.path.diff(dim=1), scale[:, None, None] * flow.noise)

    def test_weights_receive_the_gradient_of_every_potential(self, double, generator):
        """One step: ∂(a·z_1)/∂y_k = a·∇u^k(z_0), also where y_k = 0."""
        bank, z, a = self.bank(), torch.randn(1, 4, generator=generator), torch.randn(4, generator=generator)
        weights = torch.tensor([[0.0, 1.0, 0.0]], requires_grad=True)
        (run_flow(bank, z, weights, 1).path[0, 1] @ a).backward()
        expected = [bank(z[None], 1, [k]).gradient[0, 0] @ a for k in range(3)]
        assert torch.allclose(weights.grad[0], torch.stack(expected))

    def test_residual_is_that_of_the_summed_potential(self, double, generator):
        z, weights = torch.randn(2, 4, generator=generator), torch.rand(2, 3, generator=generator)
        bank = self.bank()

        def u(point, t, y):
            return bank(point.expand(3, 1, 4), t).value[:, 0] @ y

        flow, t = run_flow(bank, z, weights, 1, first=3), torch.tensor(3.0)
        for n in range(2):
            rate, slope = jacrev(u, 1)(z[n], t, weights[n]), jacrev(u)(z[n], t, weights[n])
            assert flow.residual[n, 0].item() == pytest.approx((rate + 0.5 * slope @ slope).item())


class TestObjective:
    def test_terms_of_k_against_torch_distributions(self, double):
        model = built(marginal_kl_weight=7.0, logit_l2=0.5)
        terms = model.objective(batch(), torch.Generator().manual_seed(1))
        probability = model.recogniser(batch()).softmax(-1)
        uniform = Categorical(torch.full((3,), 1 / 3))
        assert terms["kl_k"].item() == pytest.approx(kl_divergence(Categorical(probability), uniform).mean().item())
        assert terms["marginal_kl"].item() == pytest.approx(kl_divergence(Categorical(probability.mean(0)), uniform).item())
        others = [terms[name] for name in ("reconstruction", "kl", "action", "kl_k")]
        logits = model.recogniser(batch())
        assert terms["logit_l2"].item() == pytest.approx((logits**2).sum().item() / 6)
        total = sum(others) + 7 * terms["marginal_kl"] + 0.5 * terms["logit_l2"] + model.config.hj_weight * terms["hj"]
        assert terms["loss"].item() == pytest.approx(total.item())

    def test_labels_are_never_read(self):
        data = batch()
        blind = Batch(data.frames, data.times, data.factor.flip(0), data.steps)
        losses = [built().objective(one, torch.Generator().manual_seed(1))["loss"] for one in (data, blind)]
        assert torch.equal(*losses)

    def test_action_uses_the_mixed_diffusion(self, double):
        """With D of the chosen potential: hold the sample to potential 1 and compare with the model that is told so."""
        model = built()
        model.prior.log_diffusion.data = torch.tensor([-3.0, -1.0, -2.0])
        labels = torch.ones(6, dtype=torch.long)
        mixed = model.loss_terms(batch(), torch.eye(3)[labels], torch.Generator().manual_seed(3))
        told = model.loss_terms(batch(), labels, torch.Generator().manual_seed(3))
        assert mixed["action"].item() == pytest.approx(told["action"].item())
        assert mixed["reconstruction"].item() == pytest.approx(told["reconstruction"].item())

    def test_temperature_falls_with_training_only(self):
        model = built(min_temperature=0.25, warm_up=0.5)
        assert model.temperature == 1
        model.eval().objective(batch())
        assert model.temperature == 1
        model.train().objective(batch())
        assert model.temperature == pytest.approx(0.25 ** (1 / 3))  # one step of 0.5 × 6
        for _ in range(5):
            model.objective(batch())
        assert model.temperature == 0.25


class Knowing(torch.nn.Module):
    """A recogniser that sees the hue turn, the size change, or neither; its own order is (rotation, hue, scale)."""

    def forward(self, data):
        turned = data.frames[:, 1:, 1:].sum((1, 2, 3, 4)) > 1e-3
        heavier = data.frames[:, 1:].sum((2, 3, 4)).mean(1) > 1.02 * data.frames[:, 0].sum((1, 2, 3))
        own = torch.where(turned, 1, torch.where(heavier, 2, 0))
        return 9 * torch.nn.functional.one_hot(own, 3).to(data.frames)


class TestLabels:
    def model(self):
        from flowlib.data import Sequences, load_digits

        made, data = built(), Sequences(load_digits("test")[0][:20], CONFIG.factors, 2)
        made.float().recogniser = Knowing()
        return made.calibrate(data), data

    def test_the_permutation_is_fitted(self):
        model, data = self.model()
        assert model.order.tolist() == [2, 0, 1]  # scale is its potential 2, rotation 0, hue 1
        for k in range(3):
            assert (model.infer_factor(data.full_batch(list(range(20)), k)) == k).float().mean() > 0.9
        assert model.recognise(data.full_batch([3], "hue"))[0].argmax() == 2

    def test_factors_move_by_their_own_potential(self):
        model, _ = self.model()
        z, own = torch.randn(4, 2), torch.tensor([2, 0, 1])
        for k in range(3):
            expected = run_flow(model.potentials, z, int(own[k]), 2).path
            assert torch.equal(model.transport(z, k, 2), expected)
            assert torch.allclose(model.transport(z, torch.full((4,), k), 2), expected, atol=1e-6)
        assert model.diffusion(torch.tensor([0, 2])).shape == (2,)

    def test_likelihood_sums_over_k(self, monkeypatch):
        """E w = (1/K) Σ_k p(x̄|k): with weights that depend on the drawn k alone, the mean over draws is known."""
        from flowlib.models import FlowVAE

        model, data = self.model()
        one = data.full_batch([0], "hue")
        many = Batch(*(x.expand(6000, *x.shape[1:]) for x in (one.frames, one.times, one.factor)), one.steps)
        monkeypatch.setattr(type(model), "recognise", lambda self, b: torch.tensor([[0.2, 0.3, 0.5]]).expand(len(b), 3))
        values = torch.tensor([1.0, 2.0, 6.0])
        monkeypatch.setattr(FlowVAE, "sequence_log_weights", lambda self, b, generator: values[b.factor].log())
        weights = model.sequence_log_weights(many, torch.Generator().manual_seed(0)).exp()
        assert abs(weights.mean() - 3.0) < 4 * weights.std() / 6000**0.5


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"objective": "marginal"}, "path objective"), ({"hj_penalty": "paper"}, "hj_penalty zero or none"),
        ({"prior": "none"}, "with its prior"), ({"options": {"min_temperature": 0.0}}, "min_temperature = 0"),
        ({"options": {"marginal_kl_weight": -1.0}}, "marginal_kl_weight = -1"), ({"options": {"logit_scale": 0.0}}, "logit_scale = 0"),
        ({"options": {"marginal_weight": 1.0}}, r"options \['marginal_weight'\] are not of the model 'flow-inferred': its own are marginal_kl_weight, min_temperature"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(FlowlibError, match=message):
        build_model(dataclasses.replace(INFERRED, **changes))


def test_an_unknown_model_is_named():
    with pytest.raises(FlowlibError, match="model = 'flaw': choose one of .*flow, flow-inferred, .*vae"):
        build_model(dataclasses.replace(CONFIG, model="flaw"))


class TestFreeVelocity:
    def test_jacobian_against_torch_func(self, double, generator):
        torch.manual_seed(0)
        bank = VelocityBank(2, 3, 5, depth=2)
        z = torch.randn(2, 4, 3, generator=generator)
        found = bank(z, 2.0, hessian=True)
        for k in range(2):
            expected = jacrev(lambda p, k=k: bank(p[None, None], 2.0, [k]).gradient[0, 0])(z[k, 1])
            assert torch.allclose(found.hessian[k, 1], expected)
            assert not torch.allclose(expected, expected.mT)
        assert found.value.isnan().all() and found.time.isnan().all()

    def test_it_trains_and_has_frame_likelihoods(self):
        torch.manual_seed(0)
        model = build_model(dataclasses.replace(CONFIG, velocity="free", hj_penalty="none"))
        data = sequences().training_batch(6, 1, torch.Generator().manual_seed(2))
        model.objective(data, torch.Generator().manual_seed(0))["loss"].backward()
        assert model.potentials.out.grad.abs().sum() > 0
        assert model.frame_log_weights(sequences().full_batch([0, 1], 0)).isfinite().all()

    @pytest.mark.parametrize("changes", [{}, {"hj_penalty": "none", "objective": "marginal"}])
    def test_it_has_no_potential(self, changes):
        with pytest.raises(FlowlibError, match="velocity = 'free' is not ∇u"):
            dataclasses.replace(CONFIG, velocity="free", **changes)


def test_diffusion_of_labels_follows_their_order_and_that_of_a_mixture_its_weights():
    model = built()
    model.prior.log_diffusion.data = torch.tensor([0.1, 0.2, 0.3]).double().log()
    model.order.copy_(torch.tensor([2, 0, 1]))
    assert model.diffusion(torch.tensor([0, 1, 2])).tolist() == pytest.approx([0.3, 0.1, 0.2])
    y = torch.tensor([[0.0, 1.0, 0.0]]).double().requires_grad_()
    model.diffusion(y).sum().backward()
    assert y.grad[0].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_a_factors_density_is_that_of_its_own_potential():
    """Factor k moved by potential order[k], and weighed with its D: as by a model that names them in that order."""
    model = built()
    model.prior.log_diffusion.data = torch.tensor([0.1, 0.4, 1.6]).double().log()
    made, found = sequences().full_batch([0, 1, 2], 0), []
    for numbers, order in (([0, 1, 2], [0, 1, 2]), ([1, 2, 0], [2, 0, 1])):
        given = Batch(made.frames.double(), made.times, torch.tensor(numbers), made.steps)
        model.order.copy_(torch.tensor(order))
        weights = [call(model, given, torch.Generator().manual_seed(3)) for call in (FlowVAE.frame_log_weights, FlowVAE.sequence_log_weights)]
        found.append(torch.cat([value.flatten() for value in weights]))
    assert torch.allclose(*found)


def test_frames_of_an_unknown_factor(monkeypatch):
    """k drawn from q, weighed by 1 / (K q): the mean weight is the mean of p(x|k), whatever q."""
    model = built()
    q, p = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([1.0, 2.0, 6.0])
    monkeypatch.setattr(model.recogniser, "forward", lambda batch: q.log().expand(len(batch), 3))
    monkeypatch.setattr(FlowVAE, "frame_log_weights", lambda self, batch, generator: p[batch.factor].log()[:, None].expand(-1, 2))
    many = Batch(torch.zeros(6000, 2, 3, 1, 1), torch.tensor([[0, 1]]).expand(6000, -1), torch.zeros(6000, dtype=torch.long), 1)
    weights = model.frame_log_weights(many, torch.Generator().manual_seed(0)).exp()
    assert ((weights.mean(0) - 3).abs() < 4 * weights.std(0) / 6000**0.5).all()


class TestSparePotentials:
    """More potentials than factors."""

    config = dataclasses.replace(CONFIG, model="flow-inferred", options={"potentials": 5})

    def model(self):
        torch.manual_seed(0)
        return build_model(self.config).eval()

    def test_all_of_them_are_trained(self, generator):
        model = self.model()
        assert model.prior.log_diffusion.shape == (5,) and model.recogniser(sequences().full_batch([0], 0)).shape == (1, 5)
        model.potentials.head.data.normal_()
        model.objective(sequences().training_batch(30, 1, generator), generator)["loss"].backward()
        assert model.potentials.head.grad.flatten(1).abs().sum(1).min() > 0

    def test_each_factor_gets_one_of_its_own(self, monkeypatch):
        """Potential 4 is named for scale, 1 for rotation, 3 and then 0 for hue: the others take the numbers after the factors'."""
        model, named = self.model(), torch.tensor([[4, 4, 4], [1, 1, 1], [3, 3, 0]])
        monkeypatch.setattr(model.recogniser, "forward", lambda batch: 9.0 * torch.nn.functional.one_hot(named[batch.factor[0]], 5))
        model.calibrate(sequences(), 3)
        assert model.order.tolist() == [4, 1, 3]
        batches = [sequences().full_batch([0, 1, 2], k) for k in range(3)]
        assert [model.infer_potential(batch).tolist() for batch in batches] == [[0, 0, 0], [1, 1, 1], [2, 2, 3]]
        assert [model.infer_factor(batch)[:2].tolist() for batch in batches] == [[0, 0], [1, 1], [2, 2]]

    def test_a_likelihood_sums_over_all_of_them(self, generator):
        """E w = (1/5) Σ_k p(x̄|k), each with its own field and D, whatever the order of the factors: k drawn, or all five in turn."""
        batch, model = sequences().full_batch([0], 0), self.model()
        model.order.copy_(torch.tensor([4, 1, 3]))
        with torch.no_grad():
            model.prior.log_diffusion.copy_(torch.tensor([0.02, 0.05, 0.1, 0.2, 0.4]).log())
        assert model.numbers.tolist() == [4, 1, 3, 0, 2]
        labels, weights = zip(*(model._draw_factor(batch, generator) for _ in range(4000)))
        assert torch.stack(weights).exp().mean().item() == pytest.approx(1, rel=0.03)
        drawn = torch.cat([one.factor for one in labels]).bincount(minlength=5) / 4000
        assert torch.allclose(drawn, model.recogniser(batch).softmax(-1)[0, model.numbers], atol=0.03)
        assert model.diffusion(torch.arange(5)).tolist() == pytest.approx([0.4, 0.05, 0.2, 0.02, 0.1])
        z = torch.randn(2, model.config.latent_dim, generator=generator)
        spare = model.flow(z, 4, 2).path
        assert torch.equal(spare, model.flow(z, torch.eye(5)[[2, 2]], 2).path) or torch.allclose(
            spare, model.flow(z, torch.eye(5)[[2, 2]], 2).path, atol=1e-5
        )

    @pytest.mark.parametrize("count", [2, -1])
    def test_too_few_are_refused(self, count):
        with pytest.raises(FlowlibError, match=f"potentials = {count}: give 3 or more"):
            build_model(dataclasses.replace(self.config, options={"potentials": count}))
