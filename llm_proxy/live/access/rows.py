"""The keys of access.json, row by row: how a sound file is read that has very many, and after an edit again.

Laws: what comes out is what ``loader`` makes of the whole document, in the same order. What is not sound, or too odd to be sure, is
``Unusual``: the loader says what is wrong. No tree of the document is built; of rows that stand as they stood nothing is read, and what was
made of them is taken over. Pure.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import islice
from typing import Any

from llm_proxy.live.access.fields import Key, digests
from llm_proxy.live.access.terms import LONGEST, TermsMaker, is_comment, without_comments
from llm_proxy.live.access.values import Access, Kept, Terms
from llm_proxy.live.config.checks import name as judged_name
from llm_proxy.wire.json_members import Layout, Members, Unusual

KEYS = "keys"
#: Of so many rows that differ in more than their hash it is remembered what was made of them.
_REMEMBERED = 4096

Row = tuple[str, Terms]


class KeyRows:
    """Those of one document of about ``most`` values at most; ``before``: what was read of the file before an edit. Raises ``Unusual``."""

    def __init__(self, data: bytes, before: Access | None, most: int) -> None:
        kept = before.kept if before is not None else None
        self._members = Members(data, KEYS, kept.layout if kept is not None else None, most)
        self._before = before if before is not None and kept is not None else Access({})
        self._kept = kept or Kept(Layout(), array("I", [0]), {})
        self._maker = TermsMaker()
        self._made: dict[str, Terms] = {}
        #: The keys by digest, and how many digests stand before each row.
        self.found: dict[bytes, Row] = {}
        self._count = array("I", [0])
        self._comments: dict[int, str] = {}
        #: The names of teams and budgets that rows refer to.
        self.teams: set[str] = set()
        self.budgets: set[str] = set()
        self._read()

    @property
    def rest(self) -> dict[str, Any]:
        """The document without its keys."""
        return self._members.rest

    @property
    def kept(self) -> Kept:
        """For the next edit."""
        return Kept(self._members.layout, self._count, self._comments)

    def _read(self) -> None:
        found, count = self.found, self._count
        old, taken = iter(self._before.keys.items()), 0
        for one in self._members:
            if isinstance(one, range):
                taken = self._again(one, old, taken)
            elif is_comment(one[0]):
                self._comments[len(count) - 1] = one[0]
                count.append(len(found))
            else:
                self._add(*one)
                count.append(len(found))
            if len(found) != count[-1]:
                raise Unusual  # a hash stands twice
        names = {name for name, _ in found.values()}.union(self._comments.values())
        if len(names) != len(count) - 1:
            raise Unusual  # a name stands twice
        if taken:
            for _, terms in found.values():
                self._refers(terms)

    def _again(self, rows: range, old: Iterator[tuple[bytes, Row]], taken: int) -> int:
        """Take over what was made of rows with these numbers; ``taken`` of the ``old`` keys have been seen, returns how many now."""
        counts, comments, count = self._kept.counts, self._kept.comments, self._count
        first, last = counts[rows.start], counts[rows.stop]
        next(islice(old, first - taken, first - taken), None)
        if comments:
            shift = len(count) - 1 - rows.start
            self._comments.update({at + shift: comments[at] for at in rows if at in comments})
        shift = len(self.found) - first
        self.found.update(islice(old, last - first))
        count.extend([number + shift for number in counts[rows.start + 1 : rows.stop + 1]])
        return last

    def _add(self, name: str, row: Any) -> None:
        try:
            judged_name(name, limit=LONGEST)
            which = digests(row.pop("hash"))
            terms = self._terms(row)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unusual from error
        entry = name, terms
        if len(which) == 1 and (known := self._before.keys.get(which[0])) == entry:
            entry = known  # what has not changed is the same object (``words``); of two hashes the order may have changed
        for digest in which:
            if digest in self.found:
                raise Unusual
            self.found[digest] = entry

    def _terms(self, row: dict[str, Any]) -> Terms:
        """Of a row without its hash. Raises ``ValidationError``."""
        text = repr(row)
        terms = self._made.get(text)
        if terms is None:
            terms = self._maker.of(Key.model_validate({**without_comments(row), "hash": _ANY_HASH}))
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            self._made[text] = terms
            self._refers(terms)
        return terms

    def _refers(self, terms: Terms) -> None:
        if terms.team:
            self.teams.add(terms.team)
        self.budgets.update(terms.budgets)


def whole(data: bytes, before: Access | None, most: int) -> bool:
    """Whether ``data`` is surely sound JSON; ``before`` and ``most`` as of ``KeyRows``."""
    kept = before.kept if before is not None else None
    try:
        for _ in Members(data, KEYS, kept.layout if kept is not None else None, most):
            pass
    except Unusual:
        return False
    return True


_ANY_HASH = "sha256:" + 64 * "0"
