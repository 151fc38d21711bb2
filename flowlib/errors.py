"""The one exception that flowlib raises for input it cannot use."""


class FlowlibError(Exception):
    """Bad input from a user: the message names the value and the remedy. Nothing has been written or lost.

    Not a ValueError: what parses a command line, an image or an archive for us catches those, and would put its own words in place of ours.
    """


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its name where it says nothing: for a message of ours that quotes it."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
