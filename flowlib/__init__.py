"""Flow factorized representation learning: transport, potential flows, and the models built on them.

Importing the package loads nothing else; import the part you need, e.g. ``from flowlib import transport``.
"""

__version__ = "0.1.0"
