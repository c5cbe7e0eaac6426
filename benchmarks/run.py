"""`python benchmarks/run.py`: measure Headrace beside nginx. `--help` lists what it takes."""

import sys
from pathlib import Path


def main() -> int:
    """Run the suite from wherever this file is called."""
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks.suite import main as measure

    return measure(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
