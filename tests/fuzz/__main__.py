"""The command: each target for its time, in a process of its own, by atheris (libFuzzer). Exits with 1 if anything was
found; the bytes are then in ``tests/data/fuzz``, where the suite tries them."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from tests.fuzz.seeds import FOUND, seeds
from tests.fuzz.targets import TARGETS

#: One try may take so many seconds, and the process be so large, in MiB.
_SECONDS, _MIB = 5, 1024


def main() -> int:
    """Run them and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Fuzz decoders, faces and adapters."
    )
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--only", action="append", choices=list(TARGETS), help="a target; may be repeated")
    parser.add_argument("--corpus", type=Path, help="a directory that keeps what was tried, for the next run")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("skipped: atheris is not installed (pip install atheris; it needs Linux or macOS)")
        return 0
    bad = [name for name in given.only or TARGETS if not _run(name, given.seconds, given.corpus)]
    print("found something: " + ", ".join(bad) if bad else "nothing was found")
    return bool(bad)


def _run(name: str, seconds: int, kept: Path | None) -> bool:
    """Whether all went well."""
    (FOUND / name).mkdir(parents=True, exist_ok=True)
    with nullcontext(str(kept / name)) if kept else tempfile.TemporaryDirectory() as corpus:
        Path(corpus).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(seeds(name)):
            Path(corpus, f"seed-{number}").write_bytes(data)
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={_SECONDS}",
            f"-rss_limit_mb={_MIB}",
            f"-artifact_prefix={FOUND / name}/",
            "-max_len=8192",
            "-verbosity=0",
        ]
        command = [sys.executable, "-m", "tests.fuzz.inside", name, *options, corpus]
        ended = subprocess.run(command, check=False, stderr=subprocess.PIPE)
    print(f"{name}: {'nothing' if not ended.returncode else 'FOUND'}", flush=True)
    if ended.returncode:
        print(ended.stderr.decode(errors="replace")[-3000:], flush=True)
    elif not any((FOUND / name).iterdir()):
        (FOUND / name).rmdir()
    return not ended.returncode


if __name__ == "__main__":
    sys.exit(main())
