"""One look at the files: what lay on disk, before anybody judges it.

Laws: a ``Reading`` holds the bytes that are judged later, so that one state of the disk is hashed, judged and
reported; equal marks mean equal content, whatever became of inodes and times. Blocking: for worker threads only. What
the bytes mean is not known here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from llm_proxy.live.config.additions import NONE
from llm_proxy.live.files import half_written, read_regular, reason
from llm_proxy.live.prompts.fence import Fence, identities
from llm_proxy.live.prompts.library import PromptDirMissing, PromptProblem, PromptSet, load_prompts
from llm_proxy.live.state.named_files import named_files
from llm_proxy.live.state.prompts_reader import Load, Loaded, PromptsReader
from providers.base import BaseProvider

#: A models-config.json above this size is not one. (5,000 models are about 1 MB.)
MAX_CONFIG = 16 * 1024 * 1024
#: A bundle of certificates is the largest of the files that a configuration names.
MAX_SECRET = 1024 * 1024
#: A hundred thousand keys are about 20 MB.
MAX_ACCESS = 64 * 1024 * 1024

#: A file of the keys that is larger is not kept in memory once it is judged; who needs it once more reads it once more.
_KEPT = 1024 * 1024

#: How long a start waits for the prompts, in seconds.
_PATIENCE = 30.0

Part = Literal["config", "prompts"]
EVERYTHING: frozenset[Part] = frozenset({"config", "prompts"})


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a snapshot comes from. ``demo_host`` is asked at each load, because that address is ours to choose.

    ``follow_links``: prompts may be links to anywhere. ``guarded``: files that are never prompts, beside those that the
    configuration names. ``access``: the file of the keys; unless it is ``required`` it may be missing at first."""

    models_config: Path
    prompts_dir: Path
    adapters: Mapping[str, BaseProvider]
    env: Mapping[str, str] = field(repr=False)
    max_total: float | None = None
    demo_host: Callable[[], str] = lambda: "http://127.0.0.1/v1"
    follow_links: bool = False
    guarded: tuple[Path, ...] = ()
    access: Path | None = None
    access_required: bool = False
    #: Asked at each look with what lies on disk: which providers are served beside it (``live.config.additions``).
    added: Callable[[bytes | OSError], bytes] = lambda data: NONE


@dataclass(frozen=True, slots=True)
class Unkept:
    """A file of so many bytes that was judged and let go; its mark tells whether another is the same."""

    size: int


@dataclass(frozen=True, slots=True)
class Mark:
    """What the files held, short: equal marks, equal content."""

    config: str = ""
    secrets: tuple[tuple[str, str], ...] = ()
    prompts: str = ""
    problems: tuple[PromptProblem, ...] = ()
    access: str = ""
    added: bytes = NONE


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the files. ``secrets`` has the files that the configuration names, as far as that is known."""

    data: bytes | OSError = field(repr=False)
    secrets: Mapping[str, bytes | OSError] = field(repr=False)
    prompts: PromptSet
    prompts_digest: str
    mark: Mark = Mark()
    #: Whether the configuration file seems to be in the middle of being written.
    torn: bool = False
    #: The file of the keys; None: there is none, and nobody has asked for one.
    access: bytes | Unkept | OSError | None = field(default=None, repr=False)
    #: Providers that are served beside those of the file.
    added: bytes = field(default=NONE, repr=False)

    @property
    def file_hash(self) -> str:
        """SHA-256 of the configuration file as it lies on disk; empty if it cannot be read."""
        return self.mark.config if isinstance(self.data, bytes) else ""


#: Asks for the prompts, with the set that serves; None if they are not to be had in time.
Ask = Callable[[Load, PromptSet | None], Loaded | None]


def read(
    sources: Sources,
    last: Reading | None,
    served: PromptSet | None,
    parts: frozenset[Part] = EVERYTHING,
    ask: Ask | None = None,
) -> Reading:
    """Look at ``parts`` of the files; the others are as in ``last``, and so are prompts that ``ask`` does not get.

    ``served`` lends its texts for prompt files that cannot be read. Without it ``PromptDirMissing`` may be raised.
    """
    secrets: Mapping[str, bytes | OSError]
    access: bytes | Unkept | OSError | None
    if last is None or "config" in parts:
        data = look(sources.models_config, MAX_CONFIG)
        secrets = {path: look(Path(path), MAX_SECRET) for path in (last.secrets if last else ())}
        access, added = look_at_access(sources, last), sources.added(data)
    else:
        data, secrets, access, added = last.data, last.secrets, last.access, last.added
    found = None
    if last is None or "prompts" in parts:

        def load(served: PromptSet | None) -> Loaded:
            return load_prompts(sources.prompts_dir, served, _fence(sources, data, secrets))

        found = (ask or _ask_once)(load, served)
    if found is None and last is None:
        reason = f"does not answer within {_PATIENCE:g} seconds"
        raise PromptDirMissing(f"prompt directory {sources.prompts_dir}: {reason}")
    prompts, digest = found or (last.prompts, last.prompts_digest)  # type: ignore[union-attr]  # just seen
    return reading_of(data, secrets, prompts, digest, last, access, added)


def look_at_access(sources: Sources, last: Reading | None) -> bytes | OSError | None:
    """The file of the keys. One that has been there must not be missing: nobody becomes open by a slip of the hand."""
    if sources.access is None:
        return None
    found = look(sources.access, MAX_ACCESS)
    if isinstance(found, FileNotFoundError) and not sources.access_required:
        return None if last is None or last.access is None else found
    return found


def look_again(sources: Sources, reading: Reading) -> bytes | OSError | None:
    """The file of the keys of ``reading``, if it is still what it was."""
    if not isinstance(reading.access, Unkept):
        return reading.access
    found = look_at_access(sources, reading)
    if isinstance(found, bytes) and short(found) != reading.mark.access:
        return OSError("the file of the keys has changed meanwhile")
    return found


def _ask_once(load: Load, served: PromptSet | None) -> Loaded | None:
    return PromptsReader().read(load, served, _PATIENCE)


def _fence(sources: Sources, data: bytes | OSError, secrets: Mapping[str, bytes | OSError]) -> Fence:
    """Stated where the prompts are read, since a file system may hang."""
    named = named_files(data, sources.env) if isinstance(data, bytes) else ()
    return Fence(
        sources.follow_links,
        identities(
            [sources.models_config, *filter(None, [sources.access]), *sources.guarded, *secrets, *named]
        ),
    )


def look(path: Path, limit: int) -> bytes | OSError:
    """The file's bytes, or why there are none."""
    try:
        return read_regular(path, limit)
    except OSError as error:
        return error.with_traceback(None)


def reading_of(
    data: bytes | OSError,
    secrets: Mapping[str, bytes | OSError],
    prompts: PromptSet,
    digest: str,
    last: Reading | None = None,
    access: bytes | Unkept | OSError | None = None,
    added: bytes = NONE,
) -> Reading:
    """What was read, with its mark. What is as in ``last`` is not hashed again."""
    if last is not None and (isinstance(access, Unkept) or access == last.access):
        access, keys = last.access, last.mark.access  # and not kept twice
    else:
        keys = short(access) if isinstance(access, bytes | OSError) else ""
        if last is not None and isinstance(last.access, Unkept) and keys == last.mark.access:
            access = last.access
    if last is not None and isinstance(data, bytes) and data == last.data:
        config, torn = last.mark.config, last.torn
    else:
        config, torn = short(data), isinstance(data, bytes) and half_written(data)
    mark = Mark(config, _shortened(secrets), digest, prompts.problems, keys, added)
    return Reading(data, secrets, prompts, digest, mark, torn, access, added)


def light(reading: Reading) -> Reading:
    """``reading`` without a file that is large and not asked for while it serves."""
    access = reading.access
    if not isinstance(access, bytes) or len(access) <= _KEPT:
        return reading
    return replace(reading, access=Unkept(len(access)))


def with_secrets(reading: Reading, secrets: Mapping[str, bytes | OSError]) -> Reading:
    """``reading`` with the secret files that the configuration turned out to name, instead of the old ones."""
    return replace(reading, secrets=secrets, mark=replace(reading.mark, secrets=_shortened(secrets)))


def _shortened(secrets: Mapping[str, bytes | OSError]) -> tuple[tuple[str, str], ...]:
    return tuple((path, short(secrets[path])) for path in sorted(secrets))


def short(found: bytes | OSError) -> str:
    """The mark of one file: equal ones, equal content."""
    return hashlib.sha256(found).hexdigest() if isinstance(found, bytes) else f"! {reason(found)}"
