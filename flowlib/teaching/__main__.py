"""python -m flowlib.teaching build | grade FOLDER: the instructor's two commands."""

import argparse
import sys
from pathlib import Path

from flowlib.errors import FlowlibError
from flowlib.teaching.classroom import BUILT, build, grade


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m flowlib.teaching", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="write the notebooks for students and for instructors")
    grader = commands.add_parser("grade", help="grade FOLDER/STUDENT/NAME.ipynb")
    grader.add_argument("folder", type=Path)
    grader.add_argument("--seconds", type=int, default=60, help="what one cell may take (default: %(default)s)")
    grader.add_argument("--gigabytes", type=float, default=8, help="address space of one notebook (default: %(default)s)")
    for command in (builder, grader):
        command.add_argument("--out", type=Path, default=BUILT, help="where the results go (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        if options.command == "build":
            for path in build(options.out):
                print(f"for students: {path}")
            print(f"with solutions: {options.out}/instructor")
        else:
            grade(options.folder, options.out, seconds=options.seconds, gigabytes=options.gigabytes)
            print(f"points: {options.out}/points.csv, minutes: {options.out}/minutes.csv, feedback: {options.out}/feedback")
    except FlowlibError as error:
        print(f"flowlib: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
