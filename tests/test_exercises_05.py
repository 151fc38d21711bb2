"""Wrong answers to the exercises of chapter 5 are refused, the book's own are accepted."""

from exercises import verify

FILM = """
telling = {}
brownian_correlation = lambda D, t: {}
flow_correlation = lambda D, t: {}
"""
ACTION = """
action = lambda D: {}
least = lambda D: {}
residual_at_0 = lambda D: {}
"""
ENERGY, W2, RESIDUAL = "D * math.log(1 + 6 * D)", "2 * ((1 + 6 * D) ** 0.5 - 1) ** 2 / 3", "2 * D**2"
WRONG = {
    "ex-diffusion-film": [
        FILM.format("'d'", "1 / (1 + 2 * D * t) ** 0.5", "1"),
        FILM.format("'abcd'", "1 / (1 + 2 * D * t) ** 0.5", "1"),
        FILM.format("['c']", "1 / (1 + 2 * D * t) ** 0.5", "1"),
        FILM.format("'cd'", "1 / (1 + t) ** 0.5", "1"),
        FILM.format("'cd'", "0.61", "1"),
        FILM.format("'cd'", "1 / (1 + 4 * D**2 * t) ** 0.5", "1"),
        FILM.format("'cd'", "1 / (1 + D * t) ** 0.5", "1"),
        FILM.format("'cd'", "1 / (1 + 2 * D * t)", "1"),
        FILM.format("'cd'", "1 / (1 + 2 * D * t) ** 0.5", "1 / (1 + 2 * D * t) ** 0.5"),
    ],
    "ex-diffusion-action": [
        ACTION.format("math.log(1 + 6 * D) / 2", W2, RESIDUAL),
        ACTION.format("D * math.log(4)", W2, RESIDUAL),
        ACTION.format("D * math.log(1 + 6 * D) / 2", W2, RESIDUAL),
        ACTION.format(ENERGY, "3 * " + W2, RESIDUAL),
        ACTION.format(ENERGY, W2 + " / 2", RESIDUAL),
        ACTION.format(ENERGY, "2 * ((1 + 3) ** 0.5 - 1) ** 2 / 3", RESIDUAL),
        ACTION.format(ENERGY, W2, "D"),
        ACTION.format(ENERGY, W2, "D**2"),
        ACTION.format(ENERGY, W2, "-2 * D**2"),
        ACTION.format(ENERGY, W2, "0.0"),
    ],
    "ex-diffusion-noise": [
        "read_diffusion = lambda z, dt: z.diff(dim=0).square().mean() / dt",
        "read_diffusion = lambda z, dt: z.diff(dim=0).square().mean() / (4 * dt)",
        "read_diffusion = lambda z, dt: z.diff(dim=0).square().sum(-1).mean() / (2 * dt)",
        "read_diffusion = lambda z, dt: z.diff(dim=0).square().mean() * 10_000",
        "read_diffusion = lambda z, dt: (z[-1] - z[0]).square().mean() / (2 * dt * len(z))",
        "read_diffusion = lambda z, dt: z.diff(dim=0).std() / (2 * dt)",
    ],
    "ex-diffusion-backwards": [
        "rewind = lambda v, T: v",
        "rewind = lambda v, T: lambda z, s: -v(z, s)",
        "rewind = lambda v, T: lambda z, s: v(z, T - s)",
        "rewind = lambda v, T: lambda z, s: -v(-z, T - s)",
        "rewind = lambda v, T: lambda z, s: -v(z, 1 - s)",
        "rewind = lambda v, T: lambda z, s: -v(z, T - s * T)",
    ],
}  # fmt: skip
RIGHT = {"ex-diffusion-backwards": "rewind = lambda v, T: lambda z, s: -v(z, T - s)"}  # without the solution's long demonstration


def test_exercises():
    verify("05_diffusion", WRONG, RIGHT)
