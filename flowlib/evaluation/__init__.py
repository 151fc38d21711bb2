"""Evaluation: each measure one function that takes any model of the protocol (M16, M17)."""

from flowlib.evaluation.disentanglement import DCI, dci, mig, mutual_information
from flowlib.evaluation.equivariance import Estimate, decoder_limit, equivariance_error, frame_errors, moved_path, no_motion, predict
from flowlib.evaluation.geometry import FlowGeometry, flow_geometry
from flowlib.evaluation.likelihood import (
    LogLikelihood,
    frame_log_weights,
    from_log_weights,
    kernel_log_weight,
    log_likelihood,
    sequence_log_likelihood,
    sequence_log_weights,
)
from flowlib.evaluation.report import evaluate_model, format_report

__all__ = [
    "DCI", "Estimate", "FlowGeometry", "LogLikelihood", "dci", "decoder_limit", "equivariance_error", "evaluate_model",
    "flow_geometry", "format_report", "frame_errors", "frame_log_weights", "from_log_weights", "kernel_log_weight",
    "log_likelihood", "mig", "moved_path", "mutual_information", "no_motion", "predict", "sequence_log_likelihood",
    "sequence_log_weights",
]  # fmt: skip
