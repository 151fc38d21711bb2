"""Put a run's final weights into data/checkpoints/, and their checksum into data/README.md.

They are stored in half precision, which changes no third digit of the metrics.

    python data/export_checkpoint.py RUN NAME
"""

import hashlib
import re
import sys
from pathlib import Path

from flowlib.atomic_io import write_text
from flowlib.config import from_json
from flowlib.training import load
from flowlib.training.checkpoint import save

HERE = Path(__file__).resolve().parent


def main(run, name, folder=HERE):
    """Write checkpoints/NAME.safetensors in `folder` and its checksum into the README there."""
    saved = load(Path(run) / "model.safetensors")
    weights = {key: value.half() for key, value in saved.part("model").items()}
    path = folder / "checkpoints" / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    save(path, {"model": weights}, from_json(Path(run) / "config.json"), saved.step)
    readme = folder / "README.md"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    write_text(readme, with_checksum(readme.read_text(), f"checkpoints/{path.name}", sha256))


def with_checksum(text, name, sha256):
    """The README's text with a new checksum in the table row of `name`."""
    row = re.compile(rf"(\| `{re.escape(name)}` \|.*\| `)[0-9a-f]{{64}}(` \|)")
    if not row.search(text):
        sys.exit(f"data/README.md has no row for {name}: write one, with any checksum, and run this again")
    return row.sub(rf"\g<1>{sha256}\g<2>", text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
