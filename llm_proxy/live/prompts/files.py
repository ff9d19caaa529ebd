"""The prompt directory as it lies on disk: which files there are, their bytes, and what could not be read.

Laws: whatever somebody puts there, reading ends, is bounded in time and memory, never blocks on a pipe or a
device, and says what it left out. What could not be read is told apart from what is gone, so that the caller
can keep the one and drop the other. Nothing here knows what a prompt means.

Only ``<language>/<name>.prompt`` counts, at any depth below the language. Any other file is ignored; so are
names that begin with a dot (editors' swap files, ``.git``, the ``..data`` of a Kubernetes volume) or end in
``~``. Symbolic links are followed as far as ``fence`` allows: a Kubernetes volume consists of them. Names are bytes
until they prove to be UTF-8, so that the locale decides nothing.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter, deque
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from llm_proxy.live.prompts.fence import LINK_OUT, Fence, NamedFileFault
from llm_proxy.live.prompts.text import MAX_BYTES, PromptFault, shown

SUFFIX = ".prompt"

#: More than any library of prompts needs, and what one look may cost at most.
MAX_FILES = 20_000
MAX_ENTRIES = 50_000
MAX_DEPTH = 16
#: One directory is listed by so many of the ways that links make to it: those that link to each other have endless ones.
MAX_WAYS = 64
MAX_TOTAL_BYTES = 256 * 1024 * 1024

#: How often a file, and the whole tree, is read again because it changed meanwhile.
_FILE_TRIES = 5
_TREE_TRIES = 3

#: O_NONBLOCK: opening a pipe that nobody writes to would otherwise never return.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class PromptProblem:
    """Something in the tree that is not served as it lies there: its path in the tree, and why."""

    path: str
    message: str


@dataclass(slots=True)
class Tree:
    """One look at the directory. Paths are relative to it, with ``/``."""

    #: What was read.
    contents: dict[str, bytes] = field(default_factory=dict)
    problems: list[PromptProblem] = field(default_factory=list)
    #: Files and directories whose content is unknown. They are not gone.
    unread: set[str] = field(default_factory=set)
    #: Files that must not be prompts, whatever they were before.
    barred: set[str] = field(default_factory=set)
    #: Whether the look ended early, so that any file may be missing from ``contents``.
    cut: bool = False
    #: Whether there was anything at all: an unmounted volume is an empty directory.
    empty: bool = False

    def fault(self, path: str, message: str) -> None:
        """Report ``path``, whose content stays unknown."""
        self.problems.append(PromptProblem(shown(path, 300), message))
        self.unread.add(path)

    def hides(self, path: str) -> bool:
        """Whether ``path``, absent from ``contents``, may still exist."""
        parts = path.split("/")
        hidden = self.cut or any("/".join(parts[:end]) in self.unread for end in range(1, len(parts) + 1))
        return hidden and path not in self.barred


def read_tree(directory: Path, known: Container[str], fence: Fence | None = None) -> Tree:
    """Every prompt file below ``directory`` within ``fence``. If there are too many, those in ``known`` go first.

    Blocking: call it in a thread. Raises ``OSError`` if the directory itself cannot be listed. If files come,
    go or are replaced during the look, it begins again, because ``git checkout`` or an update of a Kubernetes
    volume would be seen half. Not for ever: whoever calls again after the last change gets the last state.
    """
    fence = fence or Fence()
    for _ in range(_TREE_TRIES):
        root = os.path.realpath(os.fsencode(directory))
        listing = _Listing(root, fence)
        tree = _read_files(root, listing, known, fence)
        if _Listing(root, fence).mark == listing.mark:
            break
    return tree


class _Listing:
    """The names below ``root``, without a byte of their content, the nearest to it first."""

    def __init__(self, root: bytes, fence: Fence) -> None:
        self._root, self._fence = root, fence
        self.tree = Tree()
        self.files: list[str] = []
        #: Equal if two looks saw the same tree (in this process). A neighbour's busy log file is not part of it.
        self.mark = 0
        self._entries = 0
        self._ways: Counter[tuple[int, int]] = Counter()
        #: Directories to be listed: real path, path in the tree, and what identifies those that lead there.
        self._queue: deque[tuple[bytes, str, frozenset[tuple[int, int]]]] = deque([(root, "", frozenset())])
        while self._queue and self._entries <= MAX_ENTRIES:
            self._enter(*self._queue.popleft())
        if self._entries > MAX_ENTRIES:
            self.tree.cut = True
            text = f"more than {MAX_ENTRIES} directory entries; the rest is not looked at"
            self.tree.problems.append(PromptProblem(".", text))
        self.tree.empty = not self.mark and not self.tree.problems

    def _enter(self, path: bytes, relative: str, above: frozenset[tuple[int, int]]) -> None:
        try:
            found = os.stat(path)
            identity = (found.st_dev, found.st_ino)
            if identity in above:
                self.tree.fault(relative, "is a loop of symbolic links")
                return
            self._ways[identity] += 1
            if self._ways[identity] > MAX_WAYS:
                self.tree.fault(relative, f"is a directory that links lead to in more than {MAX_WAYS} ways")
                return
            with os.scandir(path) as entries:
                for entry in entries:
                    self._entries += 1
                    if self._entries > MAX_ENTRIES:
                        break
                    self._look(entry, relative, above | {identity})
        except OSError as error:
            if not relative:
                raise
            self.tree.fault(relative, _reason(error))

    def _look(self, entry: os.DirEntry[bytes], parent: str, above: frozenset[tuple[int, int]]) -> None:
        if entry.name == b"..data":  # swapped by Kubernetes when it updates a volume
            self.mark += hash((parent, entry.inode()))
        if entry.name.startswith(b".") or entry.name.endswith(b"~"):
            return
        is_file = entry.name.endswith(SUFFIX.encode())
        name = entry.name.decode("utf-8", "backslashreplace")
        relative = f"{parent}/{name}" if parent else name
        try:
            if not is_file and not _is_directory(entry):
                return
            fault = _name_fault(entry.name, name, is_file=is_file, in_language=bool(parent))
            place = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
            if not fault and self._fence.leads_out(self._root, place):
                fault = LINK_OUT
        except OSError as error:
            fault = _reason(error)
        if not fault and not is_file and relative.count("/") >= MAX_DEPTH:
            fault = f"is more than {MAX_DEPTH} levels deep"
        if fault:
            self.tree.fault(relative, fault)
            return
        self.mark += hash((relative, entry.inode()))
        if is_file:
            self.files.append(relative)
        else:
            self._queue.append((place, relative, above))


def _is_directory(entry: os.DirEntry[bytes]) -> bool:
    """Raises ``OSError`` for a link that leads nowhere: nobody can tell what it was."""
    if entry.is_symlink():
        return stat.S_ISDIR(entry.stat().st_mode)
    return entry.is_dir()


def _name_fault(raw: bytes, name: str, *, is_file: bool, in_language: bool) -> str | None:
    """Why a name cannot be part of a prompt's id or be a language, if so."""
    if raw != name.encode("utf-8"):
        return "has a name that is not valid UTF-8"
    if is_file and not in_language:
        return "is in no language's directory"
    if not in_language and not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        return "is not named like a language (letters, digits, - and _)"
    stem = name.removesuffix(SUFFIX) if is_file else name
    if not stem.isprintable() or stem != stem.strip():
        return "has a name with control characters, or with blanks at its ends"
    if "@" in stem or ".." in stem or "\\" in stem:
        return "has a name with '@', '..' or a backslash"
    return None


def _read_files(root: bytes, listing: _Listing, known: Container[str], fence: Fence) -> Tree:
    tree, files = listing.tree, listing.files
    if len(files) > MAX_FILES:
        tree.problems.append(PromptProblem(".", f"more than {MAX_FILES} prompt files; the rest is not read"))
        files = [path for path in files if path in known]
        files += [path for path in listing.files if path not in known][: max(0, MAX_FILES - len(files))]
    total = 0
    for relative in sorted(files):
        try:
            data = _read_file(root + b"/" + relative.encode("utf-8"), root, fence)
        except (OSError, PromptFault) as error:
            tree.fault(relative, _reason(error))
            if isinstance(error, NamedFileFault):
                tree.barred.add(relative)
            continue
        total += len(data)
        if total > MAX_TOTAL_BYTES:
            tree.cut = True
            tree.problems.append(
                PromptProblem(shown(relative), "and what follows is not read: more than 256 MiB of prompts")
            )
            break
        tree.contents[relative] = data
    return tree


def _read_file(path: bytes, root: bytes, fence: Fence) -> bytes:
    """The bytes of a regular file, if nobody wrote to it meanwhile. Raises ``OSError`` or ``PromptFault``."""
    for _ in range(_FILE_TRIES):
        descriptor = os.open(path, _FLAGS)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise PromptFault("is not a regular file")
            if before.st_size > MAX_BYTES:
                raise PromptFault("is larger than 1 MiB")
            fence.judge(root, path, descriptor, before)
            data = os.read(descriptor, before.st_size + 1)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if len(data) == before.st_size == after.st_size and before.st_mtime_ns == after.st_mtime_ns:
            return data
        time.sleep(0.005)  # we are in a worker thread; somebody is writing
    raise PromptFault("keeps changing while it is read")


def _reason(error: Exception) -> str:
    """Why a file could not be read, without its path on this machine."""
    if isinstance(error, FileNotFoundError):
        return "is a symbolic link that leads nowhere, or has just been removed"
    if isinstance(error, OSError):
        return f"cannot be read: {(error.strerror or type(error).__name__).lower()}"
    return str(error)
