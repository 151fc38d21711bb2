"""Wrong answers to the exercises of chapter 12 are refused, the book's own are accepted."""

from exercises import verify

MOVED = """
def moved(n, j, t, sizes, cyclic):
    stride = int(np.prod(sizes[{0}]))
    digit = n // stride % sizes[j]
    if not cyclic and digit + t {1} sizes[j]:
        return None
    return {2}
"""
STEP = "n + ((digit + t) % sizes[j] - digit) * stride"
AROUND = """
zero = {1!r}
def around(A, r):
    return {0}
"""
WORK = "torch.pi * r**2 * (A[1, 0] - A[0, 1])"

WRONG = {
    "ex-scene-index": [
        "def moved(n, j, t, sizes, cyclic):\n    return n + t * int(np.prod(sizes[j + 1:]))",
        "def moved(n, j, t, sizes, cyclic):\n    return (n + t * int(np.prod(sizes[j + 1:]))) % int(np.prod(sizes)) if cyclic else None",
        MOVED.format(":j", ">=", STEP),
        MOVED.format("j + 1:", ">", STEP),
        MOVED.format("j + 1:", ">=", "n + t * stride"),
    ],
    "ex-scene-count": [
        "share, begins = 2 / 6, 2",
        "share, begins = 4 / 6, 3",
        "share, begins = 4 / 6, 6",
        "share, begins = 4 / 5, 2",
        "share, begins = 67, 2",
    ],
    "ex-scene-work": [
        AROUND.format("torch.pi * r**2 * (A[0, 1] - A[1, 0])", "c"),
        AROUND.format("2 * torch.pi * r**2 * (A[1, 0] - A[0, 1])", "c"),
        AROUND.format("0.5 * torch.pi * r**2 * (A[1, 0] - A[0, 1])", "c"),
        AROUND.format("torch.pi * r * (A[1, 0] - A[0, 1])", "c"),
        AROUND.format("torch.pi * r**2 * (A[0, 0] + A[1, 1])", "c"),
        AROUND.format(WORK, "a"),
        AROUND.format(WORK, "everything"),
    ],
}


def test_exercises():
    verify("12_three_dimensional_scenes", WRONG)
