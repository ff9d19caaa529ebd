"""From the files on disk to one immutable state of the configuration.

Laws: a snapshot is built completely before anybody sees it, and owns no socket and no task, so dropping it is free.
Its identity is the hash of everything that it was built from; its number is for people. Reading is apart from
judging: a ``Reading`` is what lay on disk at one look, and the judgement uses those bytes and no others. Everything
here blocks and is called in a worker thread, except before the event loop runs. When to look is not known here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from llm_proxy.live.access import vendor_prices, words
from llm_proxy.live.access.loader import load_access
from llm_proxy.live.access.values import Access
from llm_proxy.live.config.catalog import Catalog
from llm_proxy.live.config.diff import diff
from llm_proxy.live.config.loader import ApiType, Config, ConfigError, load_config
from llm_proxy.live.files import reason
from llm_proxy.live.prompts.library import PromptDirMissing, PromptSet
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.reading import (
    MAX_CONFIG,
    MAX_SECRET,
    Reading,
    Sources,
    Unkept,
    light,
    look,
    look_again,
    look_at_access,
    read,
    reading_of,
    with_secrets,
)
from llm_proxy.wire.calls import NOTHING, Deployment
from providers.base import BaseProvider


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Snapshot:
    """One state of the configuration. ``catalog`` says what a name means; ``version`` is ``number-hash8``, as in the
    ``X-Config-Generation`` header."""

    hash: str
    generation: int
    loaded_at: float
    config: Config
    prompts: PromptSet
    catalog: Catalog
    adapters: Mapping[str, BaseProvider]
    #: The look that it was built from.
    reading: Reading = field(repr=False)
    demo_host: str = ""
    #: Who may ask; None: everybody.
    access: Access | None = None
    #: Made once, because each request asks for it.
    version: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", f"{self.generation}-{self.hash[:8]}")

    @property
    def models(self) -> Mapping[str, tuple[Deployment, ...]]:
        """What lists show: the names that can be asked for, and their deployments in use."""
        return self.catalog.names

    def adapter(self, deployment: Deployment) -> BaseProvider:
        """The translator for that deployment's dialect."""
        return self.adapters[deployment.api_type]


def keeping_lists(snapshot: Snapshot, before: Snapshot) -> Snapshot:
    """``snapshot`` with what the upstreams list as ``before`` has it, which may be newer."""
    listed = before.catalog.listed
    if snapshot.catalog.listed == listed:
        return snapshot
    return replace(snapshot, catalog=snapshot.catalog.with_listed(listed))


def without_files(snapshot: Snapshot) -> Snapshot:
    """``snapshot`` as it serves: what it was made of is let go as far as it is large."""
    reading = light(snapshot.reading)
    return snapshot if reading is snapshot.reading else replace(snapshot, reading=reading)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a reading: a snapshot, or why there is none. ``reading`` has all secret files that were named."""

    reading: Reading
    snapshot: Snapshot | None = None
    error: ConfigError | OSError | None = None


def load_snapshot(
    sources: Sources, previous: Snapshot | None = None, generations: Generations | None = None
) -> Snapshot:
    """Read, hash, validate and build.

    Raises ``ConfigError`` with its problems, or ``OSError`` if a file cannot be read. Returns ``previous`` itself
    if nothing has changed.
    """
    missing: PromptDirMissing | None = None
    try:
        reading = read(
            sources, previous.reading if previous else None, previous.prompts if previous else None
        )
    except PromptDirMissing as error:
        missing = error
        data, access = look(sources.models_config, MAX_CONFIG), look_at_access(sources, None)
        reading = reading_of(data, {}, PromptSet(), "", None, access, sources.added(data))
    verdict = judge(sources, reading, previous, generations)
    fault = verdict.error or missing
    if fault is not None:
        if missing is not None and fault is not missing:
            fault.add_note(str(missing))
        raise fault
    assert verdict.snapshot is not None
    return verdict.snapshot


def judge(
    sources: Sources, reading: Reading, previous: Snapshot | None, generations: Generations | None = None
) -> Verdict:
    """Validate what was read, and build. The snapshot is ``previous`` itself if nothing has changed."""
    if not isinstance(reading.data, bytes):
        return Verdict(reading, error=reading.data)
    access: Access | None = None
    fault: ConfigError | OSError | None = None
    try:
        access = _access(sources, reading, previous)
    except (ConfigError, OSError) as error:
        fault = error
    demo_host = sources.demo_host() if "demo" in sources.adapters else ""
    secrets = _Secrets(reading.secrets)
    if previous is not None and _same_config(previous, reading, demo_host):
        config, catalog = previous.config, previous.catalog
    else:
        try:
            config = _config(sources, reading, secrets, demo_host, previous)
        except ConfigError as error:
            if fault is not None:
                error.add_note("\n".join(problem_lines(fault)))
            return Verdict(with_secrets(reading, secrets.named), error=error)
        reading = with_secrets(reading, secrets.named)
        listed = previous.catalog.listed if previous is not None else NOTHING
        catalog = Catalog.of(config.deployments, config.names, listed)
    if fault is not None:
        return Verdict(reading, error=fault)
    identity = _identity(reading)
    same = previous is not None and previous.hash == identity
    generation = _number(identity, previous, generations)
    # A worker that begins with its parent's state has a demo endpoint of its own.
    at_home = previous is not None and previous.demo_host == demo_host
    if previous is not None and same and at_home and previous.prompts.problems == reading.prompts.problems:
        if previous.generation == generation:
            return Verdict(reading, previous)
        return Verdict(reading, replace(previous, generation=generation))
    snapshot = Snapshot(
        hash=identity,
        generation=generation,
        loaded_at=previous.loaded_at if previous is not None and same else time.time(),
        config=config,
        prompts=reading.prompts,
        catalog=catalog,
        adapters=sources.adapters,
        reading=reading,
        demo_host=demo_host,
        access=access,
    )
    return Verdict(reading, snapshot)


def _number(identity: str, previous: Snapshot | None, generations: Generations | None) -> int:
    """The number of the state that follows ``previous``, which may be the same content."""
    before = previous.generation if previous else 0
    same = previous is not None and previous.hash == identity
    if generations is None:
        return before if same else before + 1
    return generations.newer(identity, before) if same else generations.number(identity, before)


def _same_config(previous: Snapshot, reading: Reading, demo_host: str) -> bool:
    """Whether the configuration file would be judged as it was."""
    old, new = previous.reading.mark, reading.mark
    return (old.config, old.added, old.secrets, previous.demo_host) == (
        *(new.config, new.added, new.secrets),
        demo_host,
    )


def _config(
    sources: Sources, reading: Reading, secrets: _Secrets, demo_host: str, previous: Snapshot | None
) -> Config:
    assert isinstance(reading.data, bytes)
    return load_config(
        reading.data,
        source=sources.models_config.name,
        api_types=api_types(sources, demo_host),
        env=sources.env,
        read_file=secrets,
        max_total=sources.max_total,
        previous=previous.config if previous else None,
        added=reading.added,
    )


def _access(sources: Sources, reading: Reading, previous: Snapshot | None) -> Access | None:
    """Who may ask, as the file of the keys says. Raises ``ConfigError`` or ``OSError``."""
    data = reading.access
    if data is None:
        return None
    if (
        previous is not None
        and previous.access is not None
        and previous.reading.mark.access == reading.mark.access
    ):
        return previous.access
    assert sources.access is not None
    if isinstance(data, Unkept):
        data = look_again(sources, reading)
    if not isinstance(data, bytes):
        raise data or FileNotFoundError(sources.access.name)
    found = load_access(data, sources.access.name, previous.access if previous is not None else None)
    vendor_prices.prepare()  # here, since it takes a while: a request asks for the price of its model, budget or not
    return found


def api_types(sources: Sources, demo_host: str | None = None) -> dict[str, ApiType]:
    """What the loader must know of each adapter."""
    hosts = {name: adapter.default_host for name, adapter in sources.adapters.items()}
    if "demo" in hosts:
        hosts["demo"] = sources.demo_host() if demo_host is None else demo_host
    kinds = sources.adapters
    return {
        name: ApiType(name, host, kinds[name].vendors, kinds[name].vendor_at) for name, host in hosts.items()
    }


class _Secrets:
    """Reads each secret file once, and remembers which were asked for."""

    def __init__(self, known: Mapping[str, bytes | OSError]) -> None:
        self._known = known
        self.named: dict[str, bytes | OSError] = {}

    def __call__(self, path: str) -> bytes:
        if path not in self.named:
            self.named[path] = self._known[path] if path in self._known else look(Path(path), MAX_SECRET)
        found = self.named[path]
        if isinstance(found, OSError):
            raise found
        return found


def _identity(reading: Reading) -> str:
    """SHA-256 over everything that a snapshot is built from, the same on every machine."""
    digest = hashlib.sha256(reading.mark.config.encode())
    for path, short in reading.mark.secrets:
        digest.update(f"{path}\0{short}\n".encode())
    digest.update(reading.prompts_digest.encode())
    if reading.access is not None:
        digest.update(f"\0access {reading.mark.access}".encode())
    if reading.added:
        digest.update(b"\0added " + reading.added)
    return digest.hexdigest()


def problem_lines(error: BaseException) -> list[str]:
    """The problems of a failed load as sentences, without any value of the files."""
    if isinstance(error, ConfigError):
        lines = str(error).split("\n")
    elif isinstance(error, OSError):
        lines = [reason(error)]
    else:
        lines = [str(error)]
    return lines + getattr(error, "__notes__", [])


def prompt_problems(snapshot: Snapshot) -> tuple[str, ...]:
    """The prompt files that are not served as they lie on disk, as sentences."""
    return tuple(f"prompt {problem.path}: {problem.message}" for problem in snapshot.prompts.problems)


def describe(old: Snapshot, new: Snapshot) -> list[str]:
    """What an edit did, in words."""
    rows = old.config.deployments, new.config.deployments
    names = old.config.names.rows, new.config.names.rows
    return diff(*rows, _hashes(old), _hashes(new), *names, words.changes(old.access, new.access))


def _hashes(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    return {key: prompt.hash for key, prompt in snapshot.prompts.prompts.items()}
