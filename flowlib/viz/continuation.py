"""Where chapter 9 looks for the rows of a continued sequence; they live in `flowlib.book.continuation`."""

from flowlib.book.continuation import continued_rows, first_part

__all__ = ["continued_rows", "first_part"]
