"""Flows in latent space: potentials, the posterior flow with its density, the diffusion prior."""

from flowlib.flows.logdet import lanczos_log_det, log_abs_det, series_log_det, smallest_eigenvalue
from flowlib.flows.mixed import run_mixed_flow
from flowlib.flows.posterior import Trajectory, estimated_density_change, group_by_factor, run_flow, trace_density_change
from flowlib.flows.potential import Derivatives, PotentialBank
from flowlib.flows.prior import DiffusionPrior
from flowlib.flows.velocity import VelocityBank

__all__ = [
    "Derivatives", "DiffusionPrior", "PotentialBank", "Trajectory", "VelocityBank", "estimated_density_change", "group_by_factor",
    "lanczos_log_det", "log_abs_det", "run_flow", "run_mixed_flow", "series_log_det", "smallest_eigenvalue", "trace_density_change",
]  # fmt: skip
