"""Wrong answers to the exercises of chapter 3 are refused, the book's own are accepted."""

from exercises import verify

BEST = "\nfinite_above, best = 0.5, 1"

WRONG = {
    "ex-dynamic-retime": [
        "factor = lambda a: a**2 / (2 * a + 1)" + BEST,
        "factor = lambda a: a / (2 * a - 1)" + BEST,
        "factor = lambda a: 1.0" + BEST,
        "factor = lambda a: a**2 / (2 * a - 1)\nfinite_above, best = 1, 1",
        "factor = lambda a: a**2 / (2 * a - 1)\nfinite_above, best = 0.5, 2",
    ],
    "ex-dynamic-stopover": [
        "least = bures(source, target) ** 2",
        "least = bures(source, stop) ** 2 + bures(stop, target) ** 2",
        "least = 4 * (bures(source, stop) ** 2 + bures(stop, target) ** 2)",
    ],
    "ex-dynamic-convex": [
        "first, second = (1.0, 1.0), (2.0, 2.0)",
        "first, second = (2.0, 2.0), (0.2, 0.0)",
        "first, second = (2.0, 1.0), (0.2, 1.0)",
        "first, second = (1.1, 0.0), (1.0, 2.0)",
        "first, second = (2.0, 0.0), (-1.0, 2.0)",
    ],
    "ex-dynamic-local": [
        "repaired = begin + t * (wrong[:, None] - begin)\nalways = False",
        "repaired = begin + t * (ring.mean(0) - begin)\nalways = False",
        "repaired = begin + t * (ring[torch.cdist(x, ring).argmin(1), None] - begin)\nalways = False",
        "repaired = y[:, None] + 0 * t\nalways = False",
        "repaired = (begin + t * step).movedim(0, 1)\nalways = False",
        "repaired = begin + t * (y[:, None] - begin)\nalways = True",
    ],
}


def test_exercises():
    verify("03_dynamic_transport", WRONG)
