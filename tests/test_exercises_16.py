"""Wrong answers to the exercises of chapter 16 are refused, the book's own are accepted."""

from exercises import verify

MATRIX = """def matrix(kernel, n, stride):
    count = {count}
    A = torch.zeros(count, n)
    for i in range(count):
        A[i, {first}:{first} + len(kernel)] = {row}
    return A"""
PADDED = """def matrix(kernel, n, stride):
    count = -((len(kernel) - n) // stride) + 1
    A = torch.zeros(count, n + len(kernel) * stride)
    for i in range(count):
        A[i, stride * i:stride * i + len(kernel)] = kernel
    return A[:, :n]"""
COUNT = "(n - len(kernel)) // stride + 1"
ORDER = "def reverse(d, h):\n    return {}\ndef forward(d, h):\n    return {}\ndearer = {}"
FEWEST = """def fewest(W, x, within):
    for bits in range(2, 17):
        spacing = {spacing}
        if {expected} <= within**2:
            return bits
    return 16"""
SPACING, EXPECTED = "W.abs().amax(1) / (2 ** (bits - 1) - 1)", "spacing.square().mean() * x.square().sum(1).mean() / 12"
WRONG = {
    "ex-web-matrix": [
        MATRIX.format(count=COUNT, first="i", row="kernel"),  # without the stride
        MATRIX.format(count=COUNT, first="stride * i", row="kernel.flip(0)"),  # a mathematician's convolution
        MATRIX.format(count="(n - len(kernel)) // stride", first="stride * i", row="kernel"),  # the last row is missing
        PADDED,  # a row too many where the kernel does not fit
        MATRIX.format(count=COUNT, first="stride * i", row="kernel") + ".mT",
    ],
    "ex-web-order": [
        ORDER.format("h**2 * d + h * d", "h**2 + h * d", "22"),  # the other way round
        ORDER.format("h**2 + h * d", "h**2 * d", "21.33"),  # without the row
        ORDER.format("2 * (h**2 + h * d)", "2 * (h**2 * d + h * d)", "22"),  # additions, too
        ORDER.format("h**2 + h * d", "h**2 * d + h * d", "1 / 22"),
        ORDER.format("h * d + d", "h**2 * d + h * d", "22"),
    ],
    "ex-web-bits": [
        FEWEST.format(spacing=SPACING, expected="spacing.square().mean() * x.square().sum(1).mean()"),  # without the twelfth
        FEWEST.format(spacing=SPACING, expected="spacing.square().mean() * x.square().mean() / 12"),  # of one input, not of all
        FEWEST.format(spacing=SPACING, expected="spacing.square().mean() * x.square().sum(1).max() / 12"),  # of the longest input
        FEWEST.format(spacing="W.abs().amax(1) / 2 ** bits", expected=EXPECTED),  # the sign needs a bit
        FEWEST.format(spacing="W.abs().amax(1) / 2 ** (bits - 1)", expected=EXPECTED),  # a level too many
        FEWEST.format(spacing=SPACING, expected="spacing.mean() * x.square().sum(1).mean().sqrt() / 12"),
        FEWEST.format(spacing=SPACING, expected="(spacing.mean() * x.square().sum(1).sqrt().mean())**2 / 12"),
        "def fewest(W, x, within):\n    return 8",
    ],
    "ex-web-budget": [
        "bits = (5, 5, 5, 5)",  # too coarse
        "bits = (6, 6, 6, 6)",  # too many
        "bits = (6, 4, 5, 8)",
        "bits = (3, 8, 8, 8)",
        "bits = (5, 6, 6)",
    ],
}


def test_exercises():
    verify("16_in_your_browser", WRONG)
