"""Pictures for transformations, and recorded frames with labels of two factors: what tests of sources are made of."""

import torch

FRAMES = torch.rand(11, 4, 2, 16, 16, generator=torch.Generator().manual_seed(7))
LABELS = torch.tensor([0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1])


def pictures(count=5, channels=3, size=16):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(3))
