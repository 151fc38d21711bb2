"""Laboratories at the ends of chapters 4, 8, 9 and 11: controls that run Python again where a kernel is there."""

from flowlib.book.laboratory_drawing import drawing
from flowlib.book.laboratory_factors import factors
from flowlib.book.laboratory_pairing import pairing
from flowlib.book.laboratory_penalty import penalty

__all__ = ["drawing", "factors", "pairing", "penalty"]
