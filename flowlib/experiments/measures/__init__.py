"""What experiments measure: each module one measure, name → function(model, config) → plain numbers.

Values of single images are kept, rounded, where methods are compared image by image (paired standard errors).
"""

import importlib
import pkgutil

from flowlib.experiments.measures.registry import MEASURES, Measure, measure, register

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
