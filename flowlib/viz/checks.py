"""What a picture accepts: arrays of numpy, torch or lists, checked before anything is drawn."""

import numpy as np

from flowlib.errors import FlowlibError

ROUNDING = 1e-4  # a sigmoid or a resampling may leave [0, 1] by this much; more than that is a mistake


def as_array(value, name, ndim=None, finite=True, count=None):
    """`value` (numpy, torch, list) as a numpy array of floats with `ndim` axes (a number, or several to choose from), `count` long.

    Raises FlowlibError when the number of axes or the length differs, the array is empty, or (with `finite`) a value is NaN or infinite.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as cause:
        raise FlowlibError(f"{name} is not an array of numbers ({cause}); pass a numpy array, a tensor or a list") from cause
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if allowed and array.ndim not in allowed:
        wanted = " or ".join(str(n) for n in allowed)
        raise FlowlibError(f"{name} has shape {array.shape}, but {wanted} axes are needed; index or reshape it first")
    if count is not None and len(array) != count:
        raise FlowlibError(f"{name} has {len(array)} entries, but {count} are needed: one for each")
    if array.size == 0:
        raise FlowlibError(f"{name} is empty, shape {array.shape}; there is nothing to draw")
    if finite and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        remedy = "look where they come from, or replace them with numpy.nan_to_num before drawing"
        raise FlowlibError(f"{name} holds {bad} NaN or infinite values of {array.size}; {remedy}")
    return array


def as_images(value, name, ndim):
    """Images with values in [0, 1] and axes (…, c, H, W), c = 1 or 3, as an array (…, H, W, 3).

    Raises FlowlibError for NaN, for values outside [0, 1] and for another number of channels.
    """
    array = as_array(value, name, ndim)
    low, high = array.min(), array.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        remedy = "divide bytes by 255" if high > 2 else "apply a sigmoid to logits, or clip"
        raise FlowlibError(f"{name} has values from {low:.3g} to {high:.3g}, but images lie in [0, 1]; {remedy}")
    if array.shape[-3] not in (1, 3):
        raise FlowlibError(
            f"{name} has shape {array.shape}: axis -3 is the channel and must be 1 or 3, not {array.shape[-3]}; "
            "use axes (…, c, H, W), for example images.permute(…, 3, 1, 2) or images[:, None]"
        )
    array = np.moveaxis(np.clip(array, 0, 1), -3, -1)
    return np.broadcast_to(array, (*array.shape[:-1], 3))


def as_points(value, name="z"):
    """Points of the plane, (B, 2); FlowlibError for another shape."""
    points = as_array(value, name, 2)
    if points.shape[1] != 2:
        raise FlowlibError(f"{name} has shape {points.shape}, but points of the plane (B, 2) are needed; choose two columns first")
    return points


def as_labels(labels, count, name):
    """`labels` as a list of `count` strings; FlowlibError when the number differs. None stays None."""
    if labels is None:
        return None
    labels = [str(label) for label in labels]
    if len(labels) != count:
        raise FlowlibError(f"{name} has {len(labels)} entries {labels}, but {count} are needed: one for each")
    return labels


def same_shape(a, b, names):
    """Raises FlowlibError unless `a` and `b` have one shape."""
    first, second = tuple(np.shape(a)), tuple(np.shape(b))
    if first != second:
        raise FlowlibError(f"{names[0]} has shape {first} and {names[1]} has {second}; they must agree")


def as_plan(plan, x, y):
    """A transport plan (n, m) between n points x and m points y; FlowlibError for another shape."""
    plan = as_array(plan, "plan", 2)
    if plan.shape != (len(x), len(y)):
        raise FlowlibError(f"plan has shape {plan.shape}, but {len(x)} points x and {len(y)} points y need {(len(x), len(y))}")
    return plan
