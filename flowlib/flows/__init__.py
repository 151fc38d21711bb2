"""Flows in latent space: potentials, the posterior flow with its density, the diffusion prior."""

from flowlib.flows.backward import are_whole, stops, travel, undo
from flowlib.flows.convex import ConvexBank
from flowlib.flows.logdet import determinant, lanczos_log_det, log_abs_det, series_log_det, smallest_eigenvalue
from flowlib.flows.matching import matched_path, matching_loss
from flowlib.flows.posterior import (
    Trajectory,
    codes_at,
    coordinate_density_change,
    estimated_density_change,
    group_by_factor,
    is_mixture,
    is_program,
    rows_density_change,
    run_flow,
    trace_density_change,
)
from flowlib.flows.potential import Derivatives, PotentialBank
from flowlib.flows.prior import DiffusionPrior, normal_like, normal_log_prob
from flowlib.flows.solenoidal import SolenoidalBank
from flowlib.flows.turning import TurningBank
from flowlib.flows.velocity import VelocityBank
