"""Images as piles of ink: coordinates by hand, mass and centre of mass kept, straight paths."""

import pytest
import torch

from flowlib.errors import FlowlibError
from flowlib.transport import displacement, displacement_frames, image_to_measure, optimal_coupling, rasterize

pytestmark = pytest.mark.usefixtures("double")


def test_pixels_become_points_with_the_row_downwards():
    image = torch.zeros(3, 5)
    image[0, 4], image[2, 1] = 3.0, 1.0
    points, weights = image_to_measure(image)
    torch.testing.assert_close(points, torch.tensor([[2.0, 1.0], [-1.0, -1.0]]))
    torch.testing.assert_close(weights, torch.tensor([0.75, 0.25]))


def test_a_picture_comes_back_when_the_blur_is_small(generator):
    image = torch.rand(6, 9, generator=generator)
    points, weights = image_to_measure(image)
    torch.testing.assert_close(rasterize(points, weights, (6, 9), blur=0.1), image / image.sum())


def test_the_blur_is_a_gaussian_of_that_width():
    """A point in the middle, and one a quarter pixel to the right of it and above: both moments of the picture."""
    across = torch.arange(31.0) - 15
    for shift in (0.0, 0.25):
        picture = rasterize(torch.tensor([[shift, shift]]), torch.ones(1), (31, 31), blur=1.3)
        right, up = picture.sum(0), picture.sum(1).flip(0)
        for marginal in (right, up):
            torch.testing.assert_close(marginal @ across, torch.tensor(shift))
            torch.testing.assert_close(marginal @ (across - shift) ** 2, torch.tensor(1.3**2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("blur", [1e-3, 1e-30, 1e-200])
def test_without_blur_all_goes_to_the_nearest_pixel(blur, dtype):
    """The second point lies in the middle of four pixels, which share it."""
    points = torch.tensor([[0.6, 1.0], [-0.5, -0.5]], dtype=dtype)
    expected = torch.zeros(3, 3, dtype=dtype)
    expected[0, 2], expected[1:, :2] = 0.2, 0.2
    torch.testing.assert_close(rasterize(points, torch.tensor([0.2, 0.8], dtype=dtype), (3, 3), blur=blur), expected)


def test_mass_is_kept_beyond_the_edge(generator):
    points = 20 * torch.randn(50, 2, generator=generator)
    assert rasterize(points, torch.full((50,), 0.02), (8, 8)).sum().item() == pytest.approx(1)


def test_displacement_moves_straight_and_splits_mass():
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[4.0], [10.0]])
    plan = torch.tensor([[0.3, 0.2], [0.0, 0.5]])
    points, mass = displacement(x, y, plan, 0.25)
    torch.testing.assert_close(points, torch.tensor([[1.0], [2.5], [3.25]]))
    torch.testing.assert_close(mass, torch.tensor([0.3, 0.2, 0.5]))
    with pytest.raises(FlowlibError, match="1.5"):
        displacement(x, y, plan, 1.5)


def test_displacement_runs_at_constant_speed(generator):
    """W₂ from the start grows as s W₂ (McCann): no shorter way exists between any two times."""
    x, y = torch.randn(9, 2, generator=generator), 2 + torch.randn(9, 2, generator=generator)
    plan, w2 = optimal_coupling(x, y)
    middle, mass = displacement(x, y, plan, 0.3)
    assert optimal_coupling(x, middle, None, mass)[1].item() == pytest.approx(0.09 * w2.item())
    assert optimal_coupling(middle, y, mass)[1].item() == pytest.approx(0.49 * w2.item())


def test_frames_of_a_shifted_image_are_the_image_shifted():
    first = torch.zeros(12, 12)
    first[3:7, 2:4] = 1.0
    second = first.roll((4, 6), (0, 1))
    frames = displacement_frames(first, second, torch.tensor([0.0, 0.5, 1.0]), blur=0.1)
    torch.testing.assert_close(frames, torch.stack([first, first.roll((2, 3), (0, 1)), second]))


def test_ink_grows_linearly(generator):
    first, second = torch.rand(5, 5, generator=generator), 3 * torch.rand(5, 5, generator=generator)
    ink = displacement_frames(first, second, torch.tensor([0.0, 0.25, 1.0])).sum((1, 2))
    torch.testing.assert_close(ink, torch.lerp(first.sum(), second.sum(), torch.tensor([0.0, 0.25, 1.0])))


@pytest.mark.parametrize("image", [torch.zeros(4, 4), -torch.ones(4, 4), torch.full((2, 2), torch.nan)])
def test_an_image_without_ink_is_refused(image):
    with pytest.raises(FlowlibError, match="image"):
        image_to_measure(image)
