"""The command. Exits with 1 if anything was not as it must be."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.page import page
from tests.soak.run import Soak


def main() -> int:
    """Run it and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="A long mixed load with faults."
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument(
        "--attack", action=argparse.BooleanOptionalAction, default=True, help="attackers beside them"
    )
    parser.add_argument(
        "--pause", type=float, default=0.0, help="seconds of each client between two requests"
    )
    parser.add_argument("--rest", type=float, default=5.0, help="seconds between two attackers")
    parser.add_argument("--report", type=Path, help="a file for the result")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(
            Path(folder),
            given.minutes * 60,
            given.clients,
            given.seed,
            attack=given.attack,
            pause=given.pause,
            rest=given.rest,
        )
        began = time.time()
        asyncio.run(soak.run())
    print(soak.report())
    if given.report is not None:
        given.report.write_text(page(soak, began, " ".join(sys.argv[1:])), "utf-8")
    for failure in soak.failures[:50]:
        print(f"FAILURE {failure}")
    return 1 if soak.failures else 0


if __name__ == "__main__":
    sys.exit(main())
