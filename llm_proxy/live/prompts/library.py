"""The library of prompts: ``<directory>/<language>/<id>.prompt``, built whole and looked up by name.

Laws: a set is immutable and complete before anybody sees it; a look-up touches no file, so no request can
leave the directory. A file that has gone bad keeps its last good text and is listed, while the rest of an
edit applies; a file that is gone is gone; one that must not be a prompt (``fence``) is forgotten. Each version is named by the hash of its content, the last versions
of each prompt stay in memory, and a reference ``id@hash`` means that content and no other. When the set is
loaded, and what a text is used for, is not known here.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from pathlib import Path
from types import MappingProxyType

from llm_proxy.errors import PromptNotFound
from llm_proxy.live.prompts.fence import Fence
from llm_proxy.live.prompts.files import MAX_FILES, SUFFIX, PromptProblem, Tree, read_tree
from llm_proxy.live.prompts.history import History, Key, remember
from llm_proxy.live.prompts.text import Prompt, PromptFault, shown
from llm_proxy.wire.did_you_mean import close_matches

__all__ = ["Found", "Prompt", "PromptDirMissing", "PromptProblem", "PromptSet", "load_prompts", "rebased"]

#: The language that is tried last.
LAST_LANGUAGE = "en"

#: What headers and logs show. Fewer digits could mean two versions by accident.
MIN_HASH_DIGITS = 8

#: A report is for people. Beyond this many lines the rest is a number.
MAX_PROBLEMS = 200


class PromptDirMissing(OSError):
    """At the first load the prompt directory cannot be listed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A prompt, and the language that it was found in (not always the one asked for)."""

    prompt: Prompt
    language: str


@dataclass(frozen=True, slots=True)
class PromptSet:
    """One state of the library."""

    prompts: Mapping[Key, Prompt] = field(default_factory=dict)
    problems: tuple[PromptProblem, ...] = ()
    #: The last versions of each prompt, the newest first; also of prompts whose files are gone.
    versions: History = field(default_factory=dict, repr=False)
    #: The languages of each id, both in order.
    languages: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    #: The same for ``versions``.
    _held: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "languages", _languages(self.prompts))
        object.__setattr__(self, "_held", _languages(self.versions))

    def find(self, ref: str, language: str | None, default_language: str) -> Found:
        """The prompt that ``ref`` names: ``id``, or ``id@hash`` (eight hex digits or more) for one exact version.

        An id is looked up in ``language`` (``en-GB`` is content with ``en``, as RFC 4647, 3.4 has it), then in the
        default language, then in English. A hash says by itself in which language its text is. Raises
        ``PromptNotFound``.
        """
        name, pinned, version = ref.partition("@")
        # Codes are compared as they are written; only a failed look-up tries the plain lower-case form.
        plain = re.split("[-_]", language, maxsplit=1)[0].lower() if language else None
        order = (language, plain, default_language, LAST_LANGUAGE)
        if pinned:
            return self._find_version(name, version.lower(), order)
        for tried in order:
            if tried is not None and (prompt := self.prompts.get((name, tried))) is not None:
                return Found(prompt, tried)
        raise self._not_found(name)

    def _find_version(self, name: str, digits: str, order: tuple[str | None, ...]) -> Found:
        if name not in self._held:
            raise self._not_found(name)
        # The same content in two languages has the same hash: then the order of the languages decides.
        languages = dict.fromkeys(tried for tried in (*order, *self._held[name]) if tried is not None)
        held = [prompt for tried in languages for prompt in self.versions.get((name, tried), ())]
        if len(digits) >= MIN_HASH_DIGITS:
            for prompt in held:
                if prompt.hash.startswith(digits):
                    return Found(prompt, prompt.language)
        listed = ", ".join(f"{prompt.hash[:MIN_HASH_DIGITS]} ({prompt.language})" for prompt in held[:20])
        raise PromptNotFound(
            f"prompt '{name}' has no version '{shown(digits)}' in memory; there are {listed}", param="prompt"
        )

    def _not_found(self, name: str) -> PromptNotFound:
        """The 404 for an id that is unknown, or known only in languages that were not asked for."""
        if name in self.languages:
            text = f"prompt '{name}' exists in {', '.join(self.languages[name])} only"
        else:
            meant = close_matches(name, tuple(self.languages))
            hint = f"; did you mean {' or '.join(meant)}?" if meant else "; GET /prompts lists the prompts"
            text = f"prompt '{shown(name)}' does not exist{hint}"
        return PromptNotFound(text, param="prompt")


def load_prompts(
    directory: Path, previous: PromptSet | None = None, fence: Fence | None = None
) -> tuple[PromptSet, str]:
    """Read the directory, as far as ``fence`` allows. Blocking: call it in a thread.

    Returns the set and its digest: SHA-256 (hex) over the names and hashes of all that it serves.
    ``previous`` lends its versions, and its texts for files that cannot be read now. Raises
    ``PromptDirMissing`` if the directory cannot be listed and there is no ``previous``.
    """
    before = previous or PromptSet()
    old = {_path(key): prompt for key, prompt in before.prompts.items()}
    try:
        tree = read_tree(directory, old, fence)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        if previous is None:
            raise PromptDirMissing(f"prompt directory {directory}: {reason}") from error
        tree = _stays(f"the prompt directory cannot be read ({reason})")
    if tree.empty and old:
        tree = _stays("the prompt directory is empty, as if it were not mounted")
    prompts = _parse(tree, old)
    for path, prompt in old.items():
        key = (prompt.id, prompt.language)
        if key not in prompts and tree.hides(path) and len(prompts) < MAX_FILES:
            prompts[key] = prompt
    problems = _report([*tree.problems, *_clashes(prompts)])
    versions = remember(before.versions, before.prompts, prompts)
    if tree.barred:
        kept = {key: held for key, held in versions.items() if _path(key) not in tree.barred}
        versions = MappingProxyType(kept)
    return PromptSet(MappingProxyType(prompts), problems, versions), _digest(prompts)


def rebased(found: PromptSet, base: PromptSet, served: PromptSet) -> PromptSet:
    """``found``, which was read when ``base`` served, with the versions that ``served`` has beyond that."""
    if base is served:
        return found
    versions = remember(served.versions, served.prompts, found.prompts)
    given_up = base.versions.keys() - found.versions.keys()
    kept = {key: held for key, held in versions.items() if key not in given_up}
    return replace(found, versions=MappingProxyType(kept))


def _stays(why: str) -> Tree:
    """A look that saw nothing, so that every prompt may still be there."""
    return Tree(problems=[PromptProblem(".", f"{why}: all prompts stay as they were")], cut=True)


def _parse(tree: Tree, old: Mapping[str, Prompt]) -> dict[Key, Prompt]:
    """What was read, as prompts. A text that is none is reported in ``tree``."""
    prompts: dict[Key, Prompt] = {}
    for path, data in tree.contents.items():
        language, _, rest = path.partition("/")
        name = rest.removesuffix(SUFFIX)
        prompt = old.get(path)
        if prompt is None or prompt.hash != hashlib.sha256(data).hexdigest():
            try:
                prompt = Prompt.of(name, language, data)
            except PromptFault as fault:
                tree.fault(path, str(fault))
                continue
        prompts[name, language] = prompt
    return prompts


def _path(key: Key) -> str:
    name, language = key
    return f"{language}/{name}{SUFFIX}"


def _languages(keys: Iterable[Key]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, language in keys:
        found.setdefault(name, []).append(language)
    return MappingProxyType({name: tuple(sorted(found[name])) for name in sorted(found)})


def _clashes(prompts: Iterable[Key]) -> Iterator[PromptProblem]:
    """Names that one file system tells apart and another does not: by case, or by the form of an accent."""
    seen: dict[str, str] = {}
    for path in sorted(map(_path, prompts)):
        other = seen.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        if other != path:
            yield PromptProblem(path, f"differs from {other} only in case or in the form of an accent")


def _report(problems: list[PromptProblem]) -> tuple[PromptProblem, ...]:
    # Not sorted as a whole: that would keep the interpreter from the event loop.
    kept = nsmallest(MAX_PROBLEMS, problems, key=lambda problem: (problem.path, problem.message))
    if len(problems) > len(kept):
        kept.append(PromptProblem(".", f"{len(problems) - len(kept)} more problems"))
    return tuple(kept)


def _digest(prompts: Mapping[Key, Prompt]) -> str:
    lines = sorted(f"{_path(key)} {prompt.hash}\n" for key, prompt in prompts.items())
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()
