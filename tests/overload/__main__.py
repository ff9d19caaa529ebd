"""The command. Prints the table; exits with 1 if a bound was not held."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.overload.attacks import ATTACKS
from tests.overload.run import HEAD, run


def main() -> int:
    """Run them and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload", description="What one client can cost.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--only", action="append", choices=list(ATTACKS), help="an attack; may be repeated")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="say too what computed longest in one piece, in CPU time (slower)",
    )
    given = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(Path(folder), given.only or ATTACKS, given.seconds, watch=given.watch))
    problems = [text for figures in found for text in figures.problems()]
    for text in problems:
        print(f"FAILURE {text}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
