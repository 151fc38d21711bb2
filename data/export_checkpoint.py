"""Put a run's final weights into data/checkpoints/ in half precision, which changes no third digit of its metrics.

    python data/export_checkpoint.py RUN NAME
"""

import sys
from pathlib import Path

from flowlib.config import from_json
from flowlib.training import load
from flowlib.training.checkpoint import save

FOLDER = Path(__file__).resolve().parent / "checkpoints"


def main(run, name):
    saved = load(Path(run) / "model.safetensors")
    weights = {key: value.half() for key, value in saved.part("model").items()}
    FOLDER.mkdir(exist_ok=True)
    save(FOLDER / f"{name}.safetensors", {"model": weights}, from_json(Path(run) / "config.json"), saved.step)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
