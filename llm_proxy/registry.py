"""The truth about the configuration: an immutable snapshot that is replaced by a single assignment.

Laws: a snapshot is built completely before anybody sees it; a failed build changes nothing; a request takes
``registry.current`` once and lives with it to its last byte. A snapshot owns no socket and no task, so dropping it is
free. The identity of a snapshot is the hash of everything it was built from; its number is for people. Nothing here
knows how a change was noticed: ``reload`` may be called at any time and always serves the last state on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from llm_proxy.config import ApiType, Config, ConfigError, ConfigProblem, load_config
from llm_proxy.config_diff import diff
from llm_proxy.prompts import PromptSet, load_prompts
from llm_proxy.wire import Deployment
from providers.base import BaseProvider

log = logging.getLogger(__name__)

#: A models-config.json above this size is not one. (5,000 models are about 1 MB.)
MAX_CONFIG = 16 * 1024 * 1024
MAX_SECRET = 64 * 1024

State = Literal["applied", "rejected", "pending"]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a snapshot comes from. ``demo_host`` is asked at each load, because that address is ours to choose."""

    models_config: Path
    prompts_dir: Path
    adapters: Mapping[str, BaseProvider]
    env: Mapping[str, str] = field(repr=False)
    max_total: float = 300.0
    demo_host: Callable[[], str] = lambda: "http://127.0.0.1/v1"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the configuration. ``models`` holds the active deployments by public name."""

    hash: str
    generation: int
    loaded_at: float
    config: Config
    prompts: PromptSet
    models: Mapping[str, tuple[Deployment, ...]]
    adapters: Mapping[str, BaseProvider]

    @property
    def version(self) -> str:
        """``number-hash8``, as in the ``X-Config-Generation`` header."""
        return f"{self.generation}-{self.hash[:8]}"

    def adapter(self, deployment: Deployment) -> BaseProvider:
        """The translator for that deployment's dialect."""
        return self.adapters[deployment.api_type]


def load_snapshot(sources: Sources, previous: Snapshot | None = None) -> Snapshot:
    """Read, hash, validate and build. Blocking: call it in a thread.

    Raises ``ConfigError`` with every problem, or ``OSError`` if a file cannot be read. Returns ``previous`` itself
    if nothing has changed.
    """
    digest = hashlib.sha256()
    data = read_regular(sources.models_config, MAX_CONFIG)
    digest.update(len(data).to_bytes(8, "big") + data)
    secrets: dict[str, bytes] = {}

    def read_secret(path: str) -> bytes:
        if path not in secrets:
            secrets[path] = read_regular(Path(path), MAX_SECRET)
        return secrets[path]

    config = load_config(
        data,
        source=sources.models_config.name,
        api_types=api_types(sources),
        env=sources.env,
        read_file=read_secret,
        max_total=sources.max_total,
    )
    for path in sorted(secrets):
        digest.update(path.encode() + b"\0" + hashlib.sha256(secrets[path]).digest())
    prompts, prompt_digest = load_prompts(sources.prompts_dir, previous.prompts if previous else None)
    digest.update(prompt_digest.encode())
    identity = digest.hexdigest()
    if previous is not None and previous.hash == identity and previous.prompts.problems == prompts.problems:
        return previous
    models: dict[str, list[Deployment]] = {}
    for deployment in config.deployments:
        if deployment.active:
            models.setdefault(deployment.name, []).append(deployment)
    return Snapshot(
        hash=identity,
        generation=previous.generation + (previous.hash != identity) if previous else 1,
        loaded_at=time.time(),
        config=config,
        prompts=prompts,
        models=MappingProxyType({name: tuple(rows) for name, rows in models.items()}),
        adapters=sources.adapters,
    )


def api_types(sources: Sources) -> dict[str, ApiType]:
    """What the loader must know of each adapter."""
    hosts = {name: adapter.default_host for name, adapter in sources.adapters.items()}
    if "demo" in hosts:
        hosts["demo"] = sources.demo_host()
    return {name: ApiType(name=name, default_host=host) for name, host in hosts.items()}


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes, the same at two looks in a row.

    Raises ``OSError`` for anything else. A pipe or a device in its place never blocks us.
    """
    for _ in range(5):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise OSError(f"{path.name} is not a regular file")
            if before.st_size > limit:
                raise OSError(f"{path.name} is larger than {limit} bytes")
            data = file.read(limit + 1)
            after = os.fstat(descriptor)
        if _look(before) == _look(after) and len(data) == after.st_size:
            return data
        time.sleep(0.005)  # in a worker thread: somebody is writing
    raise OSError(f"{path.name} keeps changing while it is read")


def _look(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the last look at the files ended. ``problems`` are sentences without any value of the files."""

    state: State
    problems: tuple[str, ...] = ()
    cause: str = "start"
    at: float = 0.0
    #: SHA-256 of the configuration file as it lay on disk, also of a rejected one; empty if unreadable.
    file_hash: str = ""


class Registry:
    """Holds the current snapshot and replaces it. ``reload`` runs on the event loop, the work in one thread."""

    def __init__(self, sources: Sources, first: Snapshot) -> None:
        self.sources = sources
        self.current = first
        self.outcome = Outcome("applied", _prompt_problems(first), "start", time.time(), file_hash(sources))
        #: Called with the new snapshot right after it was swapped in.
        self.on_swap: list[Callable[[Snapshot], None]] = []
        self._thread = ThreadPoolExecutor(1, "config-loader")
        self._running: asyncio.Task[None] | None = None
        self._again: str | None = None

    def touch(self, cause: str) -> asyncio.Task[None]:
        """Look at the files now. A touch during a look makes it run once more; none is lost."""
        if self._running is not None and not self._running.done():
            self._again = cause
            return self._running
        self._running = asyncio.get_running_loop().create_task(self._run(cause))
        return self._running

    async def reload(self, cause: str) -> Outcome:
        """Look at the files and return how it ended."""
        await self.touch(cause)
        return self.outcome

    def close(self) -> None:
        """Let go of the thread."""
        if self._running is not None:
            self._running.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, cause: str | None) -> None:
        while cause is not None:
            await self._once(cause)
            cause, self._again = self._again, None

    async def _once(self, cause: str) -> None:
        before = self.current
        settled = self.outcome
        self.outcome = Outcome("pending", settled.problems, cause, time.time(), settled.file_hash)
        loop = asyncio.get_running_loop()
        digest = await loop.run_in_executor(self._thread, file_hash, self.sources)
        try:
            snapshot = await loop.run_in_executor(self._thread, load_snapshot, self.sources, before)
        except (ConfigError, OSError) as error:
            self._reject(error, cause, digest, settled)
            return
        self.outcome = Outcome("applied", _prompt_problems(snapshot), cause, time.time(), digest)
        if snapshot is before:
            if settled.state == "rejected":
                log.info(
                    "configuration is good again",
                    extra={"generation": before.version, "cause": cause},
                )
            return
        self.current = snapshot
        changes = describe(before, snapshot)
        log.info(
            "configuration applied",
            extra={
                "generation": snapshot.version,
                "cause": cause,
                "changes": changes,
                "problems": list(self.outcome.problems),
            },
        )
        for warning in snapshot.config.warnings:
            log.warning("configuration warning", extra={"problem": str(warning)})
        for listener in self.on_swap:
            listener(snapshot)

    def _reject(self, error: Exception, cause: str, digest: str, settled: Outcome) -> None:
        problems = tuple(problem_lines(error))
        self.outcome = Outcome("rejected", problems, cause, time.time(), digest)
        if settled.state == "rejected" and settled.problems == problems:
            return  # said once already
        log.error(
            "configuration rejected, the last good one goes on",
            extra={
                "generation": self.current.version,
                "cause": cause,
                "problems": list(problems),
            },
        )


def problem_lines(error: Exception) -> Iterable[str]:
    """The problems of a failed load as sentences."""
    if isinstance(error, ConfigError):
        return [describe_problem(problem) for problem in error.problems]
    if isinstance(error, OSError) and error.strerror:
        return [f"{Path(str(error.filename)).name if error.filename else 'file'}: {error.strerror}"]
    return [str(error)]


def describe_problem(problem: ConfigProblem) -> str:
    """One problem with its place."""
    return str(problem)


def describe(old: Snapshot, new: Snapshot) -> list[str]:
    """What an edit did, in words."""
    return diff(old.config.deployments, new.config.deployments, _hashes(old), _hashes(new))


def _hashes(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    return {key: prompt.hash for key, prompt in snapshot.prompts.prompts.items()}


def _prompt_problems(snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(f"prompt {problem.path}: {problem.message}" for problem in snapshot.prompts.problems)


def file_hash(sources: Sources) -> str:
    """What lies on disk right now, accepted or not."""
    try:
        return hashlib.sha256(read_regular(sources.models_config, MAX_CONFIG)).hexdigest()
    except OSError:
        return ""
