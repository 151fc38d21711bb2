"""The colours of the book, by role and by factor, and the maps made of them."""

from types import MappingProxyType

from matplotlib.colors import LinearSegmentedColormap, to_rgb

from flowlib.errors import FlowlibError

CARD = "#fcfcfa"  # every figure brings this background with it
INK = "#303439"
MUTED = "#6a7078"
RULE = "#e3e3de"
GREY = "#b9bdc2"

# Found by a search: at least 3:1 against the card, and far apart in normal vision and under simulated
# deuteranopia, protanopia and tritanopia (tests/test_viz_style.py states the bound).
COLORS = MappingProxyType({
    "data": "#303439", "target": "#de640d", "posterior": "#005dc8", "prior": "#993e8f", "true": "#009e5c", "reference": "#8d9197",
})  # fmt: skip
CYCLE = ("#02428c", "#d07716", "#017a49", "#b7749b", "#2d98e2", "#68580d", "#5c1413", "#2a2141")
FACTOR_COLORS = MappingProxyType({"scale": CYCLE[0], "rotation": CYCLE[1], "hue": CYCLE[2]})


def color_of(role):
    """The colour of a role of `COLORS` or of a factor's name; any other colour of matplotlib is itself."""
    for table in (COLORS, FACTOR_COLORS):
        if role in table:
            return table[role]
    try:
        to_rgb(role)
    except ValueError as cause:
        known = f"a role of {sorted(COLORS)}, a factor of {sorted(FACTOR_COLORS)}, or a colour such as '#005dc8'"
        raise FlowlibError(f"colour {role!r} is unknown; use {known}") from cause
    return role


def factor_colors(names):
    """One colour for each factor name: fixed for scale, rotation and hue, else in order from the cycle."""
    free = [color for color in CYCLE if color not in {FACTOR_COLORS.get(name) for name in names}]
    others = [name for name in names if name not in FACTOR_COLORS]
    given = {name: free[n % len(free)] for n, name in enumerate(others)}
    return [FACTOR_COLORS.get(name) or given[name] for name in names]


def role_map(role):
    """A colour map from the card's background to the colour of `role`, for densities."""
    return LinearSegmentedColormap.from_list(f"card_{role}", [CARD, color_of(role)])


def signed_map():
    """A diverging colour map, blue below zero and orange above, for potentials and residuals."""
    return LinearSegmentedColormap.from_list("signed", ["#003a80", "#005dc8", "#9dbbe0", CARD, "#f2bd94", "#de640d", "#8a3a00"])
