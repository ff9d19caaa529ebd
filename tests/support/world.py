"""A configuration and a prompt tree on a real disk, watched for real, and the ways in which people change files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from llm_proxy.live.state.last_good import LastGood
from llm_proxy.live.state.registry import Registry, Sources
from llm_proxy.live.state.snapshot import load_snapshot
from llm_proxy.live.watching.debounce import DebounceTimes
from llm_proxy.live.watching.watcher import Mode, Watcher
from providers.discovery import discover
from tests.support.loops import wait_until

#: The product's rhythm, quicker; for tests in which something doubtful is to be judged in the end.
QUICK = DebounceTimes(quiet=0.03, unseen=0.06, storm=0.5, patience=0.2)
#: For tests in which it is to be waited for: a machine that is busy elsewhere must not make it look abandoned.
PATIENT = DebounceTimes(quiet=0.03, unseen=0.06, storm=0.5, patience=30)


def document(weight: float, **more: Any) -> str:
    """A configuration whose model ``m`` has that weight, so that one sees which version serves."""
    fields = {"weight": weight, **more}
    return json.dumps({"openai": {"defaults": {"api_token": "planted"}, "m": fields}}, indent=1)


class World:
    """``async with World(folder) as world``: files, registry and watcher. The configuration lies in ``folder/conf``,
    the prompts in ``folder/prompts``; ``config`` and ``prompts`` may be other paths that lead there."""

    def __init__(
        self,
        folder: Path,
        mode: Mode = "inotify",
        *,
        config: Path | None = None,
        prompts: Path | None = None,
        env: Mapping[str, str] | None = None,
        last_good: LastGood | None = None,
        make: bool = True,
        follow: bool = False,
        debounce: DebounceTimes = PATIENT,
    ) -> None:
        self.folder = folder
        self.mode: Mode = mode
        self.config = config or folder / "conf" / "models-config.json"
        self.prompts = prompts or folder / "prompts"
        self.env = dict(env or {})
        self.last_good = last_good
        self.follow = follow
        self.debounce = debounce
        if make:
            put(self.config, document(1))
            put(self.prompt("en/a"), "one")
        self.registry: Registry
        self.watcher: Watcher
        #: How often a state was judged, and swapped in.
        self.verdicts = 0
        self.swaps: list[float] = []

    @property
    def sources(self) -> Sources:
        return Sources(self.config, self.prompts, discover(), self.env, follow_links=self.follow)

    def prompt(self, name: str) -> Path:
        return self.prompts / f"{name}.prompt"

    def open(self) -> Registry:
        """The registry alone, without a watcher."""
        self.registry = Registry(self.sources, load_snapshot(self.sources), last_good=self.last_good)
        self.registry.debounce = self.debounce
        self.registry.on_verdict.append(self._count)
        self.registry.on_swap.append(lambda snapshot: self.swaps.append(self.weight))
        return self.registry

    async def __aenter__(self) -> Self:
        self.watcher = Watcher(self.open(), self.mode)
        self.watcher.start()
        await self.watcher.ready()
        await wait_until(lambda: self.registry.looked_at is not None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.watcher.stop()
        self.registry.close()

    def _count(self) -> None:
        self.verdicts += 1

    @property
    def weight(self) -> float:
        """The version of the configuration that serves."""
        return self.registry.current.models["m"][0].weight

    @property
    def state(self) -> str:
        return self.registry.outcome.state

    @property
    def generation(self) -> int:
        return self.registry.current.generation

    def text(self, name: str = "a", language: str = "en") -> str | None:
        """The text of a prompt as it serves."""
        found = self.registry.current.prompts.prompts.get((name, language))
        return found.text if found else None

    async def shows(self, weight: float | None = None, /, **prompts: str | None) -> None:
        """Wait until that version serves, with these texts, and nothing is pending."""

        def served() -> bool:
            if self.state == "pending" or (weight is not None and self.weight != weight):
                return False
            return all(self.text(name) == text for name, text in prompts.items())

        await wait_until(served, 8.0)

    async def sees(self, condition: Callable[[], object]) -> None:
        """Wait for a condition."""
        await wait_until(condition, 8.0)

    async def looked(self) -> None:
        """Wait until a complete look that began after this call has ended, and all is judged."""
        await self.registry.reload("test")


def put(path: Path, text: str | bytes) -> None:
    """Write in place, as ``open(path, "w")`` does; directories are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def replace(path: Path, text: str | bytes) -> None:
    """Write a temporary file beside, and rename it over."""
    beside = path.with_name(f".{path.name}.tmp")
    put(beside, text)
    os.replace(beside, path)


def vim(path: Path, text: str) -> None:
    """The steps of vim's ``:w`` with its usual settings (writebackup, backupcopy=auto), as strace shows them."""
    probe = path.with_name("4913")
    os.close(os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_NOFOLLOW, 0o100644))
    probe.unlink()
    backup = path.with_name(path.name + "~")
    if path.exists():
        path.rename(backup)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(descriptor, text.encode())
    os.fsync(descriptor)
    os.close(descriptor)
    path.chmod(0o644)
    backup.unlink(missing_ok=True)


class ConfigMap:
    """A directory as the kubelet makes and updates it: ``name -> ..data/name``, ``..data -> ..<time>``."""

    def __init__(self, directory: Path, files: Mapping[str, str]) -> None:
        self.directory = directory
        self._version = 0
        directory.mkdir(parents=True)
        self.update(files)
        for name in files:
            (directory / name).symlink_to(f"..data/{name}")

    def update(self, files: Mapping[str, str]) -> None:
        """A new directory, one rename, and the old directory goes."""
        self._version += 1
        fresh = self.directory / f"..2026_{self._version}"
        for name, text in files.items():
            put(fresh / name, text)
        link, beside = self.directory / "..data", self.directory / "..data_tmp"
        old = link.resolve() if link.is_symlink() else None
        beside.symlink_to(fresh.name)
        os.replace(beside, link)
        if old is not None:
            for path in old.iterdir():
                path.unlink()
            old.rmdir()
