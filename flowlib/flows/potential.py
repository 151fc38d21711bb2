"""K potentials u^k(z, t), each a tanh network, with ∇u, ∂_t u and the Hessian in closed form, in one batched call.

With a_0 = z, h_l = W_l a_{l−1} + c_l(t), a_l = tanh h_l and u = w·a_L + b:

    g_L = w ⊙ a'_L,   g_l = (W_{l+1}ᵀ g_{l+1}) ⊙ a'_l          (g_l = ∂u/∂h_l,  a' = 1 − a²)
    ∇u = W_1ᵀ g_1,    ∂_t u = g_1 · c_1'(t)
    H = Σ_l P_lᵀ diag(s_l) P_l,   P_l = ∂h_l/∂z,   s_l = −2 a_l ⊙ g_l

The last line: the only curvature is tanh'' = −2 a a', and each layer adds its own share. `torch.func` is the oracle in the tests.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowlib.errors import FlowlibError


@dataclass(frozen=True)
class Derivatives:
    """A potential and its derivatives at N points for each of G groups (`hessian` only where asked for)."""

    value: Float[Tensor, "G N"]
    gradient: Float[Tensor, "G N d"]
    time: Float[Tensor, "G N"]
    hessian: Float[Tensor, "G N d d"] | None


def time_features(t, frequencies):
    """sin(ω t), cos(ω t) and their derivatives in t: two arrays (…, 2·F) for t of shape (…)."""
    angle = t[..., None] * frequencies
    sin, cos = angle.sin(), angle.cos()
    return torch.cat([sin, cos], -1), torch.cat([frequencies * cos, -frequencies * sin], -1)


@dataclass(frozen=True)
class Setting:
    """What the fields in use at one time (or one time of each point) have in common at all places.

    pick : a parameter (K, …) → that of each group (G, …);  weights : W_1 … W_L in use, (G, n, m);  biases : b_2 … b_L, (G, 1, n)
    drive : b_1 + c_1(t), (G, 1 or N, width);  rate : c_1'(t), of the same shape
    """

    pick: Callable[[Tensor], Tensor]
    weights: list[Tensor]
    biases: list[Tensor]
    drive: Float[Tensor, "G times width"]
    rate: Float[Tensor, "G times width"]

    def each(self):
        """One setting for each of the times."""
        parts = zip(self.drive[:, :, None].unbind(1), self.rate[:, :, None].unbind(1))
        return [Setting(self.pick, self.weights, self.biases, *one) for one in parts]

    def layers(self, z):
        """The activations a_1 … a_L."""
        layers = []
        for weight, bias in zip(self.weights, [self.drive, *self.biases]):
            layers.append(torch.baddbmm(bias, layers[-1] if layers else z, weight.mT).tanh())
        return layers


class TanhBank(nn.Module):
    """The hidden layers a_1 … a_L of K independent tanh networks, their weights stacked, (K, …): batched matrix products.

    factors K, latent dimension d, hidden `width`, `depth` ≥ 1 hidden layers, `horizon` T: the slowest time feature has period 4 T, so
    that time is seen without ambiguity over 2 T steps. What is read from a_L is left to `PotentialBank` and `VelocityBank` (`_derivatives`).
    time_free : the time features weigh nothing and never will, so that the field depends on the place alone and ∂_t u = 0
    """

    is_gradient = False  # whether the field is ∇u of these layers and nothing else

    def __init__(self, factors, dim, width, depth=2, horizon=8, time_frequencies=4, time_free=False):
        super().__init__()
        self.factors, self.dim = factors, dim
        omega = 2 * math.pi / (4 * horizon) * 2.0 ** torch.arange(time_frequencies)
        self.register_buffer("frequencies", omega)
        sizes = [dim] + [width] * depth
        self.weights = nn.ParameterList(uniform(factors, n, m) for m, n in zip(sizes, sizes[1:]))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(factors, width)) for _ in range(depth))
        from_time = uniform(factors, width, 2 * time_frequencies).data
        if time_free:
            self.register_buffer("time_weight", torch.zeros_like(from_time))
        else:
            self.time_weight = nn.Parameter(from_time)

    def forward(self, z, t, factor=None, hessian=False) -> Derivatives:
        """Potential, gradient, time derivative and, if asked, Hessian at (z, t).

        z : (G, N, d), group g moved by potential factor[g] (None: G = K, group k by potential k)
        t : a number, or a tensor of times (N,) of the points, or (G, N) of each group's points
        """
        return self._derivatives(z, self.setting(t, factor), hessian)

    def along(self, times, factor=None):
        """The bank at each of the times (S,): functions of z and `hessian`. What all places share is computed once for all times."""
        return [partial(self._derivatives, setting=one) for one in self.setting(times, factor).each()]

    def setting(self, t, factor=None) -> Setting:
        """The weights in use, and what time gives to the first layer, at a time or at times (N,) or (G, N)."""
        pick = (lambda p: p) if factor is None else (lambda p: p[factor])
        features, rates = self._time_features(t)
        from_time = pick(self.time_weight).mT  # (G, 2F, width)
        first, *biases = (pick(bias)[:, None] for bias in self.biases)
        return Setting(pick, [pick(w) for w in self.weights], biases, first + features @ from_time, rates @ from_time)

    def _time_features(self, t):
        """`time_features` of a time or times: two arrays (1, 2F), (N, 2F) or (G, N, 2F)."""
        kind = {"dtype": self.frequencies.dtype, "device": self.frequencies.device}
        times = torch.full((1,), t, **kind) if isinstance(t, (int, float)) else torch.atleast_1d(torch.as_tensor(t, **kind))
        return time_features(times, self.frequencies)

    def _derivatives(self, z, setting: Setting, hessian=False) -> Derivatives:
        raise NotImplementedError


class PotentialBank(TanhBank):
    """K independent potentials u = w·a_L + b on the layers of a `TanhBank`; `bounded` adds the output tanh of the paper's code, u ← tanh u."""

    is_gradient = True

    def __init__(self, factors, dim, width, depth=2, horizon=8, bounded=False, time_frequencies=4, time_free=False):
        super().__init__(factors, dim, width, depth, horizon, time_frequencies, time_free)
        self.bounded = bounded
        self.head = nn.Parameter(torch.randn(factors, width) * 0.1 / math.sqrt(width))
        self.offset = nn.Parameter(torch.zeros(factors))

    def _derivatives(self, z, setting, hessian=False):
        weights, layers, head, slopes, g = self._sweep(z, setting)
        value = self._value(layers, head, setting)
        gradient, time = g[0] @ weights[0], (g[0] * setting.rate).sum(-1)
        curvature = _hessian(weights, layers, slopes, g) if hessian else None
        return _bounded(value, gradient, time, curvature) if self.bounded else Derivatives(value, gradient, time, curvature)

    def hessian_product(self, z, t, vectors, factor=None) -> Float[Tensor, "G N d"]:
        """H v at each point without forming H, O(depth · width²): tangents P_l v up, their curvature back down."""
        self._check_gradient()
        setting = self.setting(t, factor)
        weights, layers, head, slopes, g = self._sweep(z, setting)
        product = _hessian_vector(weights, layers, slopes, g, vectors)
        if not self.bounded:
            return product
        bound = self._value(layers, head, setting).tanh()[..., None]
        gradient = g[0] @ weights[0]
        return (1 - bound**2) * (product - 2 * bound * gradient * (gradient * vectors).sum(-1, keepdim=True))

    def laplacian(self, z, t, factor=None) -> Float[Tensor, "G N"]:
        """tr H = ∇·∇u at each point, without forming H; for unbounded potentials."""
        return self.wave_terms(z, t, factor)[1]

    def wave_terms(self, z, t, factor=None) -> tuple[Float[Tensor, "G N"], Float[Tensor, "G N"]]:
        """(∂_tt u, ∇·∇u) at each point: the two sides of the wave equation ∂_tt u = c² ∇·∇u; for unbounded potentials.

        ∂_tt u = g_1·c_1''(t) + Σ_l s_l·(∂h_l/∂t)², the same curvature as in the Hessian, plus the time features' own.
        """
        self._check_gradient()
        if self.bounded:
            raise FlowlibError("the wave equation's terms are for potentials without an output tanh: bounded_potential False")
        setting = self.setting(t, factor)
        weights, layers, _, slopes, g = self._sweep(z, setting)
        rate, second = setting.rate, (g[0] * self._drive_acceleration(t, setting)).sum(-1)
        for index, (a, gl) in enumerate(zip(layers, g)):
            if index:
                rate = (slopes[index - 1] * rate) @ weights[index].mT
            second = second + (-2 * a * gl * rate.square()).sum(-1)
        return second, _laplacian(weights, layers, slopes, g)

    def _check_gradient(self):
        """What is computed from the potential's layers alone is another field's only where it is ∇u."""
        if not self.is_gradient:
            raise FlowlibError(f"{type(self).__name__} is no gradient of its potential: ask for the whole Jacobian, bank(z, t, hessian=True)")

    def _sweep(self, z, setting):
        """W_l, a_l, the head w, a'_l and g_l = ∂u/∂h_l: up through the layers and back."""
        layers, head = setting.layers(z), setting.pick(self.head)
        return setting.weights, layers, head, *_backward(setting.weights, layers, head)

    def _value(self, layers, head, setting):
        return (layers[-1] @ head[..., None]).squeeze(-1) + setting.pick(self.offset)[:, None]

    def _drive_acceleration(self, t, setting):
        """c_1''(t): each time feature is a sine or cosine, so its second derivative is −ω² times itself."""
        features, _ = self._time_features(t)
        return (-self.frequencies.square().repeat(2) * features) @ setting.pick(self.time_weight).mT


def _backward(weights, layers, head):
    """a'_l and g_l = ∂u/∂h_l of every layer."""
    slopes = [1 - a * a for a in layers]
    g = [head[:, None] * slopes[-1]]
    for weight, slope in zip(weights[:0:-1], slopes[-2::-1]):
        g.insert(0, (g[0] @ weight) * slope)
    return slopes, g


def _bounded(value, gradient, time, curvature):
    """The derivatives of tanh u from those of u."""
    bound = torch.tanh(value)
    slope = 1 - bound * bound
    if curvature is not None:
        outer = gradient[..., :, None] * gradient[..., None, :]
        curvature = slope[..., None, None] * (curvature - 2 * bound[..., None, None] * outer)
    return Derivatives(bound, slope[..., None] * gradient, slope * time, curvature)


def _hessian_vector(weights, layers, slopes, g, vectors):
    """Σ_l P_lᵀ (s_l ⊙ P_l v): the tangents p_l = P_l v upwards, then one sweep back."""
    tangents = [vectors @ weights[0].mT]
    for weight, slope in zip(weights[1:], slopes):
        tangents.append((slope * tangents[-1]) @ weight.mT)
    back = 0
    for index in range(len(layers) - 1, -1, -1):
        back = -2 * layers[index] * g[index] * tangents[index] + back
        back = back @ weights[index] if index == 0 else (back @ weights[index]) * slopes[index - 1]
    return back


def _layer_jacobians(weights, slopes):
    """P_1ᵀ … P_Lᵀ with P_1 = W_1 and P_{l+1} = W_{l+1} diag(a'_l) P_l, each (G, N or 1, d, width).

    Transposed, a layer is one large matrix product over all points.
    """
    jacobian = weights[0].mT[:, None]
    yield jacobian
    for weight, slope in zip(weights[1:], slopes):
        scaled = jacobian * slope[:, :, None]
        jacobian = (scaled.flatten(1, 2) @ weight.mT).reshape(scaled.shape)
        yield jacobian


def _hessian(weights, layers, slopes, g):
    """H = Σ_l P_lᵀ diag(s_l) P_l, s_l = −2 a_l ⊙ g_l, (G, N, d, d)."""
    parts = zip(_layer_jacobians(weights, slopes), layers, g)
    return sum((jacobian * (-2 * a * gl)[:, :, None]) @ jacobian.mT for jacobian, a, gl in parts)


def _laplacian(weights, layers, slopes, g):
    """tr H = Σ_l s_l · (row norms of P_l)², without forming H."""
    parts = zip(_layer_jacobians(weights, slopes), layers, g)
    return sum((-2 * a * gl * jacobian.square().sum(-2)).sum(-1) for jacobian, a, gl in parts)


def uniform(factors, rows, columns):
    """torch's default initialisation of a linear layer, K times."""
    bound = 1 / math.sqrt(columns)
    return nn.Parameter(torch.empty(factors, rows, columns).uniform_(-bound, bound))
