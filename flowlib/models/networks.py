"""Encoders and decoders, the same for every model. Images (B, C, H, W) in [0, 1]; decoders return logits."""

from torch import nn

from flowlib.errors import FlowlibError


class ConvEncoder(nn.Module):
    """Image → mean and log σ of q(z|x). Two strided convolutions, one hidden layer of 16 × width units."""

    def __init__(self, channels, size, latent_dim, width):
        super().__init__()
        quarter = _quarter(size)
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(width, 2 * width, 4, 2, 1), nn.SiLU(),
            nn.Flatten(),
            nn.Linear(2 * width * quarter**2, 16 * width), nn.SiLU(),
            nn.Linear(16 * width, 2 * latent_dim),
        )  # fmt: skip

    def forward(self, images):
        return self.net(images).chunk(2, dim=-1)


class ConvDecoder(nn.Module):
    """Latent → logits, the encoder mirrored."""

    def __init__(self, channels, size, latent_dim, width):
        super().__init__()
        quarter = _quarter(size)
        self.net = nn.Sequential(
            nn.Linear(latent_dim, 16 * width), nn.SiLU(),
            nn.Linear(16 * width, 2 * width * quarter**2), nn.SiLU(),
            nn.Unflatten(1, (2 * width, quarter, quarter)),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.SiLU(),
            nn.ConvTranspose2d(width, channels, 4, 2, 1),
        )  # fmt: skip

    def forward(self, z):
        return self.net(z)


class MLPEncoder(nn.Module):
    """Image → mean and log σ of q(z|x). Two hidden layers of 16 × width units."""

    def __init__(self, channels, size, latent_dim, width):
        super().__init__()
        hidden = 16 * width
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * size**2, hidden), nn.SiLU(),
            nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, 2 * latent_dim),
        )  # fmt: skip

    def forward(self, images):
        return self.net(images).chunk(2, dim=-1)


class MLPDecoder(nn.Module):
    """Latent → logits. Two hidden layers of 16 × width units."""

    def __init__(self, channels, size, latent_dim, width):
        super().__init__()
        hidden = 16 * width
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden), nn.SiLU(),
            nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, channels * size**2),
            nn.Unflatten(1, (channels, size, size)),
        )  # fmt: skip

    def forward(self, z):
        return self.net(z)


NETWORKS = {"conv": (ConvEncoder, ConvDecoder), "mlp": (MLPEncoder, MLPDecoder)}


def build_networks(kind, channels, size, latent_dim, width):
    """(encoder, decoder) of the named kind; raises for a kind that is not there."""
    if kind not in NETWORKS:
        raise FlowlibError(f"network = {kind!r}: choose one of {', '.join(NETWORKS)}")
    encoder, decoder = NETWORKS[kind]
    return encoder(channels, size, latent_dim, width), decoder(channels, size, latent_dim, width)


def _quarter(size):
    if size % 4:
        raise FlowlibError(f"image size {size}: the convolutional networks need a multiple of 4")
    return size // 4
