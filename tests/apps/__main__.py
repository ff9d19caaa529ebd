"""``make test-apps``: the programs in front of the running gateway. ``--quick`` is the part that CI runs.

Installs what is pinned (where it is not yet), lets each program do its job over each kind of upstream, two at a time, and
prints how each ended. A whole run, and one with ``--write``, writes what it found into ``results.json`` and
``docs/clients.md``. Where the registries cannot be reached it says so and is no failure, unless ``CI`` is set.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.apps import results, table
from tests.apps.install import CannotInstall, install
from tests.apps.lanes import Lane, lane
from tests.apps.pins import PINS
from tests.apps.places import App
from tests.apps.programs import APPS
from tests.apps.runs import run
from tests.apps.scripted.server import KINDS

LANES = 2
Job = tuple[App, str, bool]


def main() -> int:
    """Exit status: 1 when a program failed, or could not be installed where it must."""
    options = _options()
    apps = [app for app in APPS.values() if _wanted(app, options)]
    missing = _install(apps)
    if options.install:
        return 0
    if missing and os.environ.get("CI") and not all(PINS[name].heavy for name in missing):
        return 1
    jobs = [
        (app, kind, pictures)
        for app in apps
        if app.pin not in missing
        for pictures in (False, True)
        for kind in _kinds(app, options, pictures)
    ]
    if not jobs:
        print("test-apps: skipped: none of the programs could be installed")
        return 0
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    found = asyncio.run(_run_all(jobs, options.keep))
    if (not options.quick and not (options.only or options.kinds)) or options.write:
        kept = results.load()
        for (app, kind, pictures), reason in found.items():
            kept.setdefault(app.id, {})[kind + ("+mcp" if pictures else "")] = results.Cell(
                app.version, reason
            )
        results.save(kept)
        table.write()
    failed = sum(bool(reason) for reason in found.values())
    print(f"test-apps: {len(found) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _kinds(app: App, options: argparse.Namespace, pictures: bool) -> Iterable[str]:
    """The kinds of upstream over which a program is run, or its case with pictures."""
    if pictures and not app.mcp:
        return ()
    if options.kinds:
        return [kind for kind in KINDS if kind in options.kinds.split(",")]
    if options.quick:
        return app.quick_mcp if pictures else app.quick
    return KINDS


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.apps", description="the programs, as tests")
    parser.add_argument("--quick", action="store_true", help="the part that CI runs")
    parser.add_argument("--install", action="store_true", help="install what is needed, and run nothing")
    parser.add_argument("--only", default="", help=f"names of programs, with commas: {', '.join(APPS)}")
    parser.add_argument("--kinds", default="", help=f"kinds of upstream, with commas: {', '.join(KINDS)}")
    parser.add_argument(
        "--keep", type=Path, help="a folder for what each program printed and the upstreams were asked"
    )
    parser.add_argument(
        "--write", action="store_true", help="write what was found, though only a part was run"
    )
    parser.add_argument("--heavy", action="store_true", help="with the programs of several gigabytes too")
    return parser.parse_args()


def _wanted(app: App, options: argparse.Namespace) -> bool:
    if options.only:
        return any(name in (app.id, app.pin) for name in options.only.split(","))
    return bool(app.quick) if options.quick else options.heavy or not PINS[app.pin].heavy


def _install(apps: Iterable[App]) -> set[str]:
    """Install what they need; the pins that cannot be, each with its reason printed."""
    missing = set()
    for name in dict.fromkeys(app.pin for app in apps):
        try:
            install(PINS[name])
        except CannotInstall as reason:
            missing.add(name)
            how = "skipped: its registry cannot be reached" if reason.unreachable else "cannot be installed"
            print(f"test-apps: {name} {PINS[name].version}: {how}: {reason}", flush=True)
    return missing


async def _run_all(jobs: list[Job], keep: Path | None) -> dict[Job, str]:
    """The jobs over the lanes; why each failed, nothing where it did not."""
    waiting = list(reversed(jobs))
    found: dict[Job, str] = {}
    with tempfile.TemporaryDirectory(prefix="llm-proxy-apps-", ignore_cleanup_errors=True) as name:
        folder = Path(name)

        async def work(here: Lane) -> None:
            while waiting:
                app, kind, pictures = job = waiting.pop()
                outcome = await run(app, kind, here, pictures=pictures, keep=keep)
                found[job] = outcome.reason
                title = f"{app.title}{' + MCP' if pictures else ''}"
                print(f"{title:45} {kind:13} {outcome.seconds:5.1f} s  {outcome.reason or 'ok'}", flush=True)

        async def serve(number: int) -> None:
            place = folder / str(number)
            await asyncio.to_thread(place.mkdir)
            async with lane(place) as here:
                await work(here)

        await asyncio.gather(*(serve(number) for number in range(LANES)))
    return {job: found[job] for job in jobs}


if __name__ == "__main__":
    sys.exit(main())
