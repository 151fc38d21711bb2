"""What later cells need is kept, what only draws is not."""

from cell_slice import needed_cells


def kept(*sources):
    return needed_cells(list(sources), [len(sources) - 1])


def test_cells_that_bind_what_is_read():
    assert kept("a = 1", "b = 2", "c = a + 1", "print(c)") == [0, 2, 3]
    assert kept("def f(x): return x + k", "k = 3", "other = 1", "f(1)") == [0, 1, 3]
    assert kept("import math", "import os", "math.pi") == [0, 2]
    assert kept("a = 1", "a = 2", "a") == [1, 2] and kept("a = 1", "a = a + 1", "a") == [0, 1, 2] and kept("a = 1", "a += 1", "a") == [0, 1, 2]
    assert kept("a = 1", "if b: a = 2", "a") == [0, 1, 2]
    assert kept("a, (b, *c) = values()", "for i in b: d = i", "d") == [0, 1, 2]


def test_cells_that_may_change_what_is_read():
    assert kept("a = []", "a.append(1)", "a[0] = 2", "train(a)", "a.x = 1", "del a[0]", "a") == [0, 1, 2, 3, 4, 5, 6]


def test_cells_that_draw_are_left_out():
    assert kept("a = 1", "viz.curve(a)", "plt.plot(a)", "print(a)", "a") == [0, 4]


def test_what_a_target_binds_itself_is_kept_too():
    """An answer's cell: x stays empty for the reader who gives none."""
    assert kept("x = None", "x = 1\nprint(x)") == [0, 1]


def test_global_state_is_kept():
    assert kept("import torch", "torch.set_default_dtype(torch.float64)", "torch.manual_seed(0)", "1") == [0, 1, 2, 3]
