"""Gaussian chains against dense matrices."""

import torch
from linear_frames import seeded

from flowlib.evaluation.gaussian_chain import from_precision


class TestChain:
    def dense(self):
        generator, shape = seeded(3), (2, 4, 3)
        root = torch.randn(*shape, 3, generator=generator, dtype=torch.float64)
        alone, coupling = (torch.rand(2, *shape, generator=generator, dtype=torch.float64) for shape in ((4,), (3, 3)))
        mean, blocks = torch.randn(shape, generator=generator, dtype=torch.float64), root @ root.mT
        precision = torch.zeros(2, 4, 3, 4, 3, dtype=torch.float64)
        for t in range(4):
            precision[:, t, :, t] += blocks[:, t]
        for j in range(3):
            for t in range(4):
                precision[:, t, j, t, j] += alone[:, t]
            for t in range(3):
                precision[:, t, j, t, j] += coupling[:, t, j]
                precision[:, t + 1, j, t + 1, j] += coupling[:, t, j]
                precision[:, t, j, t + 1, j] -= coupling[:, t, j]
                precision[:, t + 1, j, t, j] -= coupling[:, t, j]
        return from_precision(mean, blocks, alone, coupling), mean, precision.reshape(2, 12, 12)

    def test_covariance_and_determinant(self):
        chain, mean, precision = self.dense()
        basis = torch.eye(12, dtype=torch.float64).reshape(12, 1, 4, 3).expand(-1, 2, -1, -1).reshape(24, 4, 3)
        columns = (chain.place(basis).reshape(12, 2, 12) - mean.reshape(2, 12)).permute(1, 2, 0)
        torch.testing.assert_close(columns @ columns.mT, torch.linalg.inv(precision))
        torch.testing.assert_close(chain.log_det, -0.5 * torch.linalg.slogdet(precision)[1])
        v = torch.randn(2, 12, generator=seeded(), dtype=torch.float64)
        solved = torch.linalg.solve(precision, v[..., None])[..., 0]
        torch.testing.assert_close(chain.covariance_product(v.reshape(2, 4, 3)).reshape(2, 12), solved)

    def test_noise_is_found_again(self):
        chain, _, _ = self.dense()
        noise = torch.randn(6, 4, 3, generator=seeded(), dtype=torch.float64)
        torch.testing.assert_close(chain.unplace(chain.place(noise)), noise)
