"""The one exception that flowlib raises for input it cannot use."""


class FlowlibError(Exception):
    """Bad input from a user: the message names the value and the remedy. Nothing has been written or lost.

    Not a ValueError: what parses a command line, an image or an archive for us catches those, and would put its own words in place of ours.
    """
