"""The one exception that flowlib raises for input it cannot use."""


class FlowlibError(ValueError):
    """Bad input from a user: the message names the value and the remedy. Nothing has been written or lost."""
