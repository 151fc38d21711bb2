"""The mathematics of part I: moving densities, optimal transport, Hamilton–Jacobi, Helmholtz, diffusion.

M1–M7, M9 and the kinetic energy of M14. Floor 0: nothing here knows of a model.
"""

from flowlib.transport.action import hamilton_jacobi_residual, kinetic_action, straightness
from flowlib.transport.bridge import GaussianBridge
from flowlib.transport.continuity import (
    continuity_residual,
    divergence,
    gradient_of,
    hessian,
    jacobian,
    push_forward_log_density,
    time_derivative,
)
from flowlib.transport.discrete import (
    Sinkhorn,
    barycentric_map,
    c_transform,
    dual_potentials,
    map_from_dual,
    optimal_coupling,
    optimal_pairing,
    quantile_map_1d,
    sinkhorn_coupling,
    squared_distances,
    w2_1d,
)
from flowlib.transport.dynamic import DynamicTransport, benamou_brenier_1d
from flowlib.transport.entropic import entropic_map, soft_c_transform
from flowlib.transport.flow_density import flow_log_density
from flowlib.transport.gaussian import (
    AffineMap,
    Gaussian,
    GaussianPotential,
    gaussian_map,
    gaussian_w2,
    interpolate,
)
from flowlib.transport.hamilton_jacobi import characteristics, crossing_time, hopf_lax
from flowlib.transport.heat import (
    BrownianPath,
    brownian_path,
    heat_log_density,
    heat_marginal,
    jko_step,
    path_kl,
    path_log_weight,
    probability_flow_velocity,
)
from flowlib.transport.helmholtz import (
    covariance_rate,
    density_preserving_field,
    linear_helmholtz,
    rotation_field,
    weighted_divergence,
)
from flowlib.transport.line import (
    displacement_density_1d,
    momentum_1d,
    momentum_action_1d,
    w2_density_1d,
)
from flowlib.transport.moment_matching import moment_matched_sample
from flowlib.transport.observed import ObservedBrownian
from flowlib.transport.ode import Path, integrate
from flowlib.transport.pixels import displacement, displacement_frames, image_to_measure, rasterize
from flowlib.transport.roots import lyapunov, square_root
