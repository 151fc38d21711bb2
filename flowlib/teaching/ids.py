"""The id that a student writes into a notebook, from which the notebook draws data of its own."""

import re
from collections import defaultdict

from flowlib.teaching.reading import text_of

DEFAULT = "your id"


def id_of(path) -> str | None:
    """What stands in `STUDENT = "…"`, or in `STUDENT = 1234`; None where no cell has that line."""
    found = re.findall(r"""^STUDENT\s*=\s*(?:(["'])(.*?)\1|([\d_.]+))""", text_of(path, "code"), re.M)
    return (found[-1][1] or found[-1][2].replace("_", "")).strip() if found else None


def doubts(paths) -> list[str]:
    """A line for every id that several students share, or that was left as it was handed out: are these answers anybody's own?"""
    sharing = defaultdict(list)
    for path in paths:
        sharing[path.stem, (id_of(path) or "").lower()].append(path.parent.name)
    lines = []
    for (assignment, own), students in sharing.items():
        if own == DEFAULT:
            lines.append(f"{assignment}: {', '.join(students)} left STUDENT as it was, so the data are not their own")
        elif own and len(students) > 1:
            lines.append(f"{assignment}: {', '.join(students)} have the same STUDENT, {own!r}")
    return lines
