"""Wrong answers to the exercises of chapter 4 are refused, the book's own are accepted."""

from exercises import verify

GRAVITY = """
falling = lambda z, t: {}
excess = lambda g, b: {}
"""
FALL, CLOCK = "(b - g * t) * z[:, 1]", " + ((b - g * t) ** 3 - b**3) / (6 * g)"
REPORT = """
import dataclasses
zero = reports["zero"]
mine = dataclasses.replace(zero, action={0} * zero.action, w2={0} * zero.w2, displacement={0} * zero.displacement, mismatch=zero.mismatch + {1})
price = "{2}"
"""
WRONG = {
    "ex-potential-gravity": [
        GRAVITY.format(FALL, "g**2 / 12"),
        GRAVITY.format(FALL + " - " + CLOCK[3:], "g**2 / 12"),
        GRAVITY.format("(b + g * t) * z[:, 1]" + CLOCK, "g**2 / 12"),
        GRAVITY.format("5 * z[:, 0] + (7 - 3 * t) * z[:, 1] - 12.5 * t + ((7 - 3 * t) ** 3 - 7**3) / 18", "g**2 / 12"),
        GRAVITY.format("-g * t * z[:, 1] - g**2 * t**3 / 6", "g**2 / 12"),
        GRAVITY.format(FALL + CLOCK, "g / 4"),
        GRAVITY.format(FALL + CLOCK, "g**2 / 24"),
        GRAVITY.format(FALL + CLOCK, "(b - g / 2) ** 2 + g**2 / 12"),
    ],
    "ex-potential-crossing": ["until = 1.0", "until = 1.6", "until = 2.5", "until = 1.25", "until = 0.6", "until = 0.63", "until = -0.625"],
    "ex-potential-bound": [
        "a = target.mean - source.mean\nbound = 4.25",
        "a = target.mean - source.mean\nbound = 9.5",
        "a = target.mean - source.mean\nbound = 2.915",
        "a = target.mean - source.mean\nbound = 17.0",
        "a = source.mean - target.mean\nbound = 8.5",
        "a = target.mean\nbound = 8.5",
        "a = [2.5, 1.4]\nbound = 8.5",
    ],
    "ex-potential-action": [
        "mine, price = reports['zero'], 'b'",
        "mine, price = reports['none'], 'b'",
        "mine, price = reports['paper'], 'b'",
        REPORT.format(0.9, 0.5, "a"),
        REPORT.format(0.9, 0.5, "c"),
        REPORT.format(0.9, 0.5, "d"),
        REPORT.format(0.01, 3, "b"),
        REPORT.format(0.9, 0.0, "b"),
    ],
}  # fmt: skip


def test_exercises():
    verify("04_potential_flows", WRONG)
