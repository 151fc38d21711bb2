"""Wrong answers to the exercise of the page on own images are refused, its own is accepted."""

from exercises import verify

RIGHT = """
if fade is None:
    @flowlib.transformation("fade")
    def fade(images, strength):
        s = strength[:, None, None, None]
        return (1 - s) * images + s * images.flip(3)
"""
WRONG = {
    "ex-own-mirror": [
        RIGHT.replace('@flowlib.transformation("fade")', ""), RIGHT.replace("flip(3)", "flip(2)"), RIGHT.replace("(1 - s) * images + s * images.flip(3)", "s * images + (1 - s) * images.flip(3)"),
        RIGHT.replace("strength[:, None, None, None]", "strength.mean()"), RIGHT.replace("s = strength[:, None, None, None]", "s = strength[:, None, None, None] ** 2"),
    ]
}  # fmt: skip


def test_exercises():
    verify("own_images", WRONG, {"ex-own-mirror": RIGHT})
