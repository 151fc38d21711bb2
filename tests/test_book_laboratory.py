"""The laboratories without a screen: a control is set, the button is pressed, and what is shown has changed."""

import dataclasses
import re
import subprocess
import sys

import pytest
import torch
from browsing import browser, needs_browser, page  # noqa: F401
from tiny import CONFIG, digits

from flowlib import data, models
from flowlib.book import laboratory, laboratory_bench
from flowlib.book.laboratory_drawing import as_mnist, moved
from flowlib.book.laboratory_factors import Uneven
from flowlib.book.laboratory_pairing import TEACHERS, lesson, paired
from flowlib.errors import FlowlibError
from flowlib.experiments.potential_fit import SOURCE, TARGET
from flowlib.flows import PotentialBank
from flowlib.viz.widget import asset

PNG = b"\x89PNG"
pytest.importorskip("ipywidgets")


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """A run takes as many seconds as it is given; here they are a few hundredths, every picture is drawn, and every press counts."""
    monkeypatch.setattr(laboratory_bench, "REDRAW", 0.01)
    monkeypatch.setattr(laboratory_bench, "AGAIN", 0.0)


def sequences():
    return data.Sequences(digits(70), CONFIG.factors, 8)


def press(bench, seconds=0.05, **values):
    """Set controls, press the button; what the bench says then."""
    for name, value in values.items():
        bench.controls[name].value = value
    if "seconds" in bench.controls:
        bench.controls["seconds"].min = 0
        bench.controls["seconds"].value = 0
    bench.button.click()
    assert not bench.button.disabled
    return bench.text.value


def pictures(bench):
    return [bytes(picture.value) for picture in bench.pictures]


class TestBench:
    @pytest.fixture
    def bench(self):
        import ipywidgets

        def action(bench, steps):
            if steps == 9:
                raise FlowlibError("nine is too many")
            left = iter(range(steps))
            history = bench.train(lambda: {"loss": torch.tensor(float(next(left)))}, 0)
            bench.say(f"{len(history['loss'])} step, {torch.is_grad_enabled()}")

        return laboratory_bench.Bench({"steps": ipywidgets.IntSlider(3)}, action, "go", "no kernel here")

    def test_a_run_takes_one_step_at_least_and_shows_its_curve(self, bench):
        assert bench.pictures[0].layout.display == "none"
        assert press(bench, steps=4).startswith("1 step")
        assert pictures(bench)[0].startswith(PNG) and bench.pictures[0].layout.display == ""

    def test_a_user_s_error_is_a_line_of_text(self, bench):
        assert press(bench, steps=9) == "nine is too many"

    @pytest.mark.parametrize("raised, said", [(ValueError("a < b"), "ValueError: a &lt; b"), (KeyboardInterrupt(), "Stopped.")])
    def test_whatever_goes_wrong_is_a_line_of_text(self, bench, raised, said):
        """Below which the pictures of the run before are gone."""
        press(bench, steps=4)

        def action(bench, steps):
            raise raised

        bench.action = action
        assert press(bench, steps=4) == said and not bench.button.disabled
        assert all(picture.layout.display == "none" for picture in bench.pictures)

    def test_a_press_that_waited_for_the_end_of_a_run_is_passed_over(self, bench, monkeypatch):
        runs = []
        bench.action = lambda bench, steps: runs.append(steps)
        monkeypatch.setattr(laboratory_bench, "AGAIN", 1000.0)
        bench._ended = -2000.0
        bench.run()
        bench.run()
        assert runs == [3]
        bench._ended -= 2000.0
        bench.run()
        assert runs == [3, 3]

    def test_the_page_gets_a_sentence_and_a_kernel_the_widgets(self, bench):
        bundle = bench._repr_mimebundle_()
        assert bundle.pop(laboratory_bench.VIEW)["model_id"] == bench.view.model_id
        assert bundle == {"text/html": "<p><em>no kernel here</em></p>", "text/plain": "no kernel here"}

    def test_without_ipywidgets_the_sentence_stays(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ipywidgets", None)
        found = [laboratory.pairing(), laboratory.penalty(None, None), laboratory.drawing(None, CONFIG.factors)]
        assert all(set(one._repr_mimebundle_()) == {"text/html", "text/plain"} for one in found)


class TestPenalty:
    def test_other_weights_train_other_models_and_each_run_is_a_line(self):
        source = sequences()
        bench = laboratory.penalty(source, source, image=0)
        first = press(bench, weight=1e4, diffusion=1e-2)
        shown = pictures(bench)
        second = press(bench, weight=0, diffusion=1.0)
        assert all(picture.startswith(PNG) for picture in shown)
        rows = re.findall(r"<tr>(<td.*?)</tr>", second)[1:]
        assert len(rows) == 2 and rows[0] in first
        numbers = [re.findall(r">([^<>]+)</td>", row) for row in rows]
        assert [row[:3] for row in numbers] == [["10000", "0.01", "1"], ["0", "1", "1"]]
        assert float(numbers[0][4]) > 10 * float(numbers[1][4])  # the action, the same motion divided by 4 D


class TestFactors:
    def test_the_mix_of_a_batch(self):
        mixed = Uneven(sequences(), [1.0, 0.0, 0.5])
        batch = mixed.training_batch(60, 1, torch.Generator().manual_seed(0))
        assert torch.bincount(batch.factor, minlength=3).tolist() == [40, 0, 20]
        assert mixed.steps == 8 and mixed.factors == CONFIG.factors

    def test_training_on_a_mix(self):
        source = sequences()
        config = data_config()
        bench = laboratory.factors(source, source, config)
        assert "1 steps; " in press(bench, scale=1.0, rotation=0.2, hue=0.0, marginal_kl_weight=100.0)
        assert all(picture.startswith(PNG) for picture in pictures(bench))
        assert "no factor is in the mix" in press(bench, scale=0.0, rotation=0.0)


def data_config():
    return dataclasses.replace(CONFIG, model="flow-inferred", factors=sequences().factors, horizon=8)


class TestPairing:
    def test_the_pairs(self):
        x, y = SOURCE.sample(50, torch.Generator().manual_seed(0)), TARGET.sample(50, torch.Generator().manual_seed(1))
        costs = {teacher: (paired(teacher, x, y) - x).square().sum(1).mean() for teacher in TEACHERS[1:]}
        for teacher in TEACHERS[1:]:  # every end is somebody's
            assert torch.equal(paired(teacher, x, y).sort(0).values, y.sort(0).values)
        assert costs["optimal pairs"] < costs["random pairs"] < costs["swapped pairs"]
        swapped = paired("swapped pairs", x, y)
        assert swapped[x[:, 0].argmin(), 0] == y[:, 0].max() and swapped[x[:, 0].argmax(), 0] == y[:, 0].min()

    def test_a_lesson_of_pairs_by_hand(self):
        bank = PotentialBank(1, 2, 4, horizon=6).double()
        loss = lesson(bank, "random pairs", 0, torch.Generator().manual_seed(3))["loss"]
        generator = torch.Generator().manual_seed(3)
        x = SOURCE.sample(128, generator)
        y = TARGET.sample(128, generator)
        total = 0
        for t in range(1, 7):
            here = (x + (t - 1) / 6 * (y - x)).requires_grad_()
            (slope,) = torch.autograd.grad(bank(here[None], t).value.sum(), here)
            total += (slope - (y - x) / 6).square().sum(1).mean() / 6
        assert loss.item() == pytest.approx(total.item(), rel=1e-9)

    def test_two_teachers(self):
        bench = laboratory.pairing()
        press(bench, teacher="optimal pairs")
        shown = pictures(bench)
        second = press(bench, teacher="the goal", weight=100)
        assert second.count("<td") == 15 and "optimal pairs" in second and "the goal" in second
        assert pictures(bench)[1] != shown[1] and shown[1].startswith(PNG)


class TestDrawing:
    def test_a_drawing_becomes_like_the_training_digits(self):
        ink = torch.zeros(28, 28)
        ink[2:12, 3:8] = 1  # 10 × 5 at the upper left: enlarged to 20 × 10, in the middle
        image = as_mnist(ink)
        there = torch.nonzero(image > 0.1)
        assert there.amin(0).tolist() == [4, 9] and there.amax(0).tolist() == [23, 18]
        with pytest.raises(FlowlibError, match="draw a digit"):
            as_mnist(0 * ink)

    def test_the_centre_of_mass_is_in_the_middle(self):
        ink = torch.zeros(28, 28)
        ink[4:24, 4:6] = ink[22:24, 4:20] = 1  # an L, heavier at the lower left
        image = as_mnist(ink)
        place = torch.arange(28.0)
        centre = [(image.sum(axis) * place).sum() / image.sum() for axis in (1, 0)]
        assert all(abs(value - 13.5) <= 0.5 for value in centre)

    def test_what_is_counted(self):
        model = models.build_model(data_config())
        frames, wrong, still = moved(model, digits(1)[0, 0], sequences().factors, (0, 1), 3)
        assert frames.shape == (2, 4, 3, 28, 28)
        assert wrong == pytest.approx((frames[0, -1] - frames[1, -1]).abs().sum().item(), rel=1e-4)
        assert still == pytest.approx((frames[0, -1] - frames[0, 0]).abs().sum().item(), rel=1e-4)

    def test_a_drawing_flows(self):
        bench = laboratory.drawing(models.build_model(data_config()), sequences().factors)
        assert "draw a digit" in press(bench)
        assert "wrong pixels" in press(bench, pad=[255 * (40 < n < 700 and n % 28 < 9) for n in range(784)], flow=(0, 2), steps=2)
        assert pictures(bench)[1].startswith(PNG)


@needs_browser
def test_the_square_sends_what_is_drawn(page):  # noqa: F811
    """A stroke from left to right through the middle, then `clear`."""
    script = (asset("square.js") + asset("pad.js")).replace("export default", "window.pad =")
    body = f'<div id="place"></div><script>{script}</script>'
    stroke = """
      const sent = []; pad.render({ model: { set: (name, value) => sent.push([name, value]), save_changes: () => {} }, el: $("#place") });
      const c = $("canvas"), box = c.getBoundingClientRect();
      const at = (type, x) => c.dispatchEvent(new PointerEvent(type, { clientX: box.left + x, clientY: box.top + box.height / 2, pointerId: 1 }));
      c.setPointerCapture = null; at("pointermove", 10); at("pointerdown", 60); at("pointermove", 160); at("pointerup", 160); at("pointermove", 20);
      $("button").click(); return sent;"""
    (name, levels), cleared = page.open(body).probe(stroke)
    assert name == "value" and cleared == ["value", []]
    image = torch.tensor(levels).reshape(28, 28)
    assert image[13:15, 9:19].min() == 255 and image[:10].max() == image[18:].max() == 0
    assert image[:, :5].max() == image[:, 22:].max() == 0


def test_the_package_loads_without_widgets():
    code = "import sys, flowlib.book.laboratory as l; print([n for n in ('ipywidgets', 'anywidget') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
