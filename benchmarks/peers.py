"""`python benchmarks/peers.py`: measure other gateways beside nginx and Headrace."""

import sys
from pathlib import Path


def main() -> int:
    """Run the suite from wherever this file is called."""
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks.peer_suite import main as measure

    return measure(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
