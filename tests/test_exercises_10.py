"""Wrong answers to the exercises of chapter 10 are refused, the book's own are accepted."""

from exercises import verify

OWN = """
@models.register("name")
class Mine(models.VAE):
    {body}

mine = models.build_model(dataclasses.replace(config, model="name", options={{}}))
mine.load_state_dict(slow.state_dict())
"""
WRONG = {
    "ex-base-operator": [
        'ours_to_choose = {"VAE", "β-VAE", "FactorVAE", "SlowVAE", "TVAE"}', 'ours_to_choose = {"VAE", "SlowVAE"}',
        'ours_to_choose = {"PoFlow"}', 'ours_to_choose = {"vae"}', 'ours_to_choose = set()',
    ],
    "ex-base-paired": [
        "needed = 1000", "x, y = per_digit('SlowVAE'), per_digit('VAE'); needed = 1000 * (x - y).var() / (x.var() + y.var())",
        "x, y = per_digit('SlowVAE'), per_digit('VAE'); needed = (x.var() + y.var()) / (x - y).var()",
        "x, y = per_digit('SlowVAE'), per_digit('VAE'); needed = 2000 * (x.var() + y.var()) / (x - y).var()",
        "x, y = per_digit('SlowVAE'), per_digit('VAE'); needed = 1000 * ((x.var() + y.var()) / (x - y).var()).sqrt()",
    ],
    "ex-base-critic": [
        "cross_entropy, believed = 2 * math.log(2), False", "cross_entropy, believed = 1.0, False", "cross_entropy, believed = -math.log(2), False",
        "cross_entropy, believed = math.log(2), True", "cross_entropy, believed = 0.0, False",
    ],
    "ex-base-own": [
        "mine = slow",
        OWN.format(body="pass"),
        OWN.format(body="def transport(self, z, factor, steps, first=1):\n        return super().transport(z, factor, steps, first) + 1"),
        OWN.format(body="def transport(self, z, factor, steps, first=1):\n        return super().transport(z, factor, steps, first)[:, 1:]"),
        OWN.format(body="def transport(self, z, factor, steps, first=1):\n        return z[:, None].expand(-1, steps + 1, -1)"),
    ],
}  # fmt: skip
RIGHT = {
    "ex-base-operator": 'ours_to_choose = ["VAE", "FactorVAE", "β-VAE", "SlowVAE"]',
    "ex-base-critic": "cross_entropy, believed = torch.tensor(2.0).log(), False",
}


def test_exercises():
    verify("10_baselines", WRONG, RIGHT)
