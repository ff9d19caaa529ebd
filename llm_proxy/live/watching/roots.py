"""Which directories must be watched so that no way of changing a file goes unnoticed.

Laws: a plan is a value; two plans are equal exactly if every path still leads to where it led, so a retargeted link
or a directory put in another's place makes a new plan. Directories are watched, never files: a watch on a file ends
with the file, and most editors replace it. Nothing here watches anything. Blocking: for worker threads.

For a file: the directory that holds it, the one above (to see it come back), and every directory that holds a link
on the way to it. For the prompt tree: the whole tree, the directory above, and the same for what its links lead to.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from llm_proxy.live.state.reading import Part

#: Each watched directory costs a thread and a few inotify watches.
MAX_ROOTS = 64
MAX_ENTRIES = 50_000
#: As many as Linux follows.
_MAX_LINKS = 40

Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Root:
    """A directory to watch. ``parts`` is what may have changed when something is written in it; without any, only
    names that come and go matter there."""

    recursive: bool = False
    parts: frozenset[Part] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """All directories with their identities (None: cannot be told), and where each watched path leads."""

    roots: Mapping[str, Root]
    identities: Mapping[str, Identity | None]
    targets: frozenset[str]
    #: The real paths of the files that were given.
    files: frozenset[str]
    #: Whether there were more directories than are watched.
    cut: bool = False


def make_plan(files: Iterable[str], tree: str | None, *, follow: bool = False) -> Plan:
    """The plan for ``files`` (the configuration and secrets) and the prompt directory ``tree``, if that is to be watched
    too; absolute paths. ``follow``: links may lead out of the tree."""
    planner = _Planner(follow)
    for path in files:
        planner.file(path, frozenset({"config"}))
    if tree is not None:
        planner.tree(tree)
    roots = planner.merged()
    kept = {path: roots[path] for path in list(roots)[:MAX_ROOTS]}
    identities = {path: identity(path) for path in kept}
    cut = planner.cut or len(kept) < len(roots)
    return Plan(kept, identities, frozenset(planner.targets), frozenset(planner.files), cut)


def identity(path: str) -> Identity | None:
    """What tells a directory from another one of the same name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@dataclass(slots=True)
class Trace:
    """Where a path leads, and the directories that hold a link on the way. If it leads nowhere, ``real`` is the last
    directory that exists, and ``missing`` is true."""

    real: str = "/"
    holders: set[str] = field(default_factory=set)
    missing: bool = False


def trace(path: str) -> Trace:
    """Follow the absolute ``path`` through every link, also those in the middle."""
    found = Trace()
    names = path.split("/")[::-1]
    links = 0
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            found.real = os.path.dirname(found.real)
            continue
        here = os.path.join(found.real, name)
        try:
            target = os.readlink(here)
        except OSError as error:
            if error.errno == errno.EINVAL:  # it is no link
                found.real = here
                continue
            found.missing = True
            return found
        links += 1
        found.holders.add(found.real)
        if links > _MAX_LINKS:
            found.missing = True
            return found
        if target.startswith("/"):
            found.real = "/"
        names += target.split("/")[::-1]
    return found


def _is_below(top: str, path: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


class _Planner:
    def __init__(self, follow: bool) -> None:
        self._follow = follow
        self.roots: dict[str, Root] = {}
        self.targets: set[str] = set()
        self.files: set[str] = set()
        self.cut = False
        self._tops: list[str] = []
        self._walked: set[str] = set()
        self._linked: set[tuple[str, str]] = set()
        self._entries = 0

    def file(self, path: str, parts: frozenset[Part]) -> None:
        """Watch for changes of one file."""
        found = trace(path)
        self.files.add(found.real)
        self._holders(found, path)
        self._add(found.real if found.missing else os.path.dirname(found.real), Root(parts=parts))
        if not found.missing:
            self._add(os.path.dirname(os.path.dirname(found.real)), Root())

    def tree(self, path: str) -> None:
        """Watch for changes anywhere below a directory, and behind the links in it."""
        found = trace(path)
        self._holders(found, path)
        if found.missing:
            self._add(found.real, Root(parts=frozenset({"prompts"})))
            return
        self._add(os.path.dirname(found.real), Root())
        if any(_is_below(found.real, top) for top in self._tops):
            return  # a link to a directory above: nobody follows that
        self._tops.append(found.real)
        self._add(found.real, Root(parts=frozenset({"prompts"})))
        if self._walk(found.real):
            self._add(found.real, Root(recursive=True))
        else:
            self.cut = True

    def merged(self) -> dict[str, Root]:
        """The roots, without those that lie in a tree that is watched anyway. One directory must not be watched twice
        with different events: the kernel keeps one mask for it, the last (inotify_add_watch(2))."""
        trees = [path for path, root in self.roots.items() if root.recursive]
        kept: dict[str, Root] = {}
        for path in sorted(self.roots, key=len):
            above = next(
                (tree for tree in trees if tree in kept and path.startswith(tree.rstrip("/") + "/")), None
            )
            if above is None:
                kept[path] = self.roots[path]
            else:
                kept[above] = Root(True, kept[above].parts | self.roots[path].parts)
        return {path: kept[path] for path in self.roots if path in kept}

    def _holders(self, found: Trace, path: str) -> None:
        self.targets.add(f"{path} {found.real} {found.missing}")
        for holder in found.holders:
            self._add(holder, Root())

    def _add(self, path: str, root: Root) -> None:
        known = self.roots.get(path, Root())
        self.roots[path] = Root(known.recursive or root.recursive, known.parts | root.parts)

    def _walk(self, top: str) -> bool:
        """Find the links below ``top``; each directory once. False if there is too much to watch it all."""
        directories = [top]
        while directories:
            if self._entries > MAX_ENTRIES:
                return False
            directory = directories.pop()
            if directory in self._walked:
                continue
            self._walked.add(directory)
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        self._entries += 1
                        if entry.is_symlink():
                            self._link(directory, entry.path)
                        elif entry.is_dir():
                            directories.append(entry.path)
            except OSError:
                continue  # what cannot be listed is reported by whoever reads the prompts
        return True

    def _link(self, directory: str, path: str) -> None:
        """Watch what a link in the tree leads to. Of many links into one directory, one says it all."""
        if not self._follow and not _is_below(self._tops[0], trace(path).real):
            return  # nobody reads that
        try:
            beside = (directory, os.path.dirname(os.readlink(path)))
            is_tree = os.path.isdir(path)
        except OSError:
            return
        if is_tree:
            found = trace(path)
            self._holders(found, path)
            if found.real not in self._walked:
                self.tree(path)
        elif beside not in self._linked:
            self._linked.add(beside)
            self.file(path, frozenset({"prompts"}))
