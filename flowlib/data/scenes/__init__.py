"""Scenes made on the spot: rendered by NumPy, the same bytes on every machine."""

from flowlib.data.scenes.rooms import GRID, Rooms
from flowlib.data.scenes.small_studio import SmallStudio
from flowlib.data.scenes.studio import Studio
