"""Evaluation: each measure one function that takes any model of the protocol (M15 to M20)."""

from flowlib.evaluation.annealed import Sandwich, Schedule, annealed_likelihood, sandwich
from flowlib.evaluation.composition import (
    commutator,
    composed_no_motion,
    superposed_path,
    superposed_times,
    superposition_error,
    switch_error,
    switch_path,
    switch_times,
)
from flowlib.evaluation.disentanglement import DCI, dci, mig, mutual_information
from flowlib.evaluation.equivariance import (
    Estimate,
    decode_mean,
    encoded_error,
    equivariance_error,
    frame_errors,
    moved_path,
    no_motion,
    own_motion,
)
from flowlib.evaluation.extrapolation import label_errors, no_motion_steps, steps_error, stop_error
from flowlib.evaluation.fields import (
    ReadStrengths,
    correlations,
    explained,
    explained_in_place,
    matched_fields,
    number_of_fields_in_use,
    read_strengths,
    step_directions,
)
from flowlib.evaluation.geometry import FlowGeometry, flow_geometry
from flowlib.evaluation.ladder import ladder_errors
from flowlib.evaluation.likelihood import (
    LogLikelihood,
    frame_log_weights,
    from_log_weights,
    log_likelihood,
    sequence_log_likelihood,
    sequence_log_weights,
)
from flowlib.evaluation.limit import decoder_limit, limit_along, steps_limit, superposition_limit
from flowlib.evaluation.predictability import composed_codes, generated_pairs, vp_score
from flowlib.evaluation.recognition import continuation_error, factor_accuracy
from flowlib.evaluation.report import evaluate_model, format_report
from flowlib.evaluation.swap import labelled_error, swap_error
from flowlib.evaluation.tight import Proposal, TightLikelihood, fit_proposal, importance_likelihood
