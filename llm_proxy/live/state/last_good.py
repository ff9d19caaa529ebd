"""A copy of the last accepted configuration, so that a start with a broken file need not be the end.

Laws: the operator's own files are only ever read. The copy is one zip file, replaced in one step, readable by its owner
alone (the configuration may hold literal keys); what ``${...}`` stands for is not in it. It can be unpacked by hand:
``models-config.json`` and ``prompts/``. Blocking: for worker threads, and for the start.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from llm_proxy.live.files import reason
from llm_proxy.live.prompts.library import Prompt
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.reading import Sources, Unkept, look_again, look_at_access
from llm_proxy.live.state.snapshot import Snapshot, load_snapshot

log = logging.getLogger(__name__)

NAME = "last-good.zip"
_CONFIG, _ACCESS, _PROMPTS = "models-config.json", "access.json", "prompts/"
#: What a prompt's text may have lost at its beginning and its end when it was loaded.
_STARTS, _ENDS = (b"", b"\xef\xbb\xbf"), (b"", b"\n", b"\r\n")


class NoCopyError(Exception):
    """There is no usable copy; the text says why."""


class LastGood:
    """The copy in ``directory``, which is made if need be."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME
        self._kept = ""
        #: Why the copy could not be written, if so.
        self.problem = ""

    def keep(self, snapshot: Snapshot, sources: Sources | None = None) -> None:
        """Make ``snapshot``, which comes from ``sources``, the copy, unless it is. Raises nothing: a full disk must not stop an edit."""
        if snapshot.hash == self._kept:
            return
        try:
            if self._stored() != snapshot.hash:
                self._write(snapshot, _keys(snapshot, sources))
            self._kept, self.problem = snapshot.hash, ""
        except OSError as error:
            if not self.problem:
                log.warning("the last good copy cannot be written", extra={"problem": reason(error)})
            self.problem = f"the last good copy cannot be written: {reason(error)}"

    def load(self, sources: Sources, generations: Generations | None = None) -> Snapshot:
        """The state that the copy holds. Raises ``NoCopyError``, or what ``load_snapshot`` raises."""
        with self._unpacked() as directory:
            keys = directory / _ACCESS
            # A copy of the time before there were keys would open what the operator has closed.
            if not keys.exists() and look_at_access(sources, None) is not None:
                raise NoCopyError("the last good copy has no keys")
            copy = replace(
                sources,
                models_config=directory / _CONFIG,
                prompts_dir=directory / _PROMPTS.rstrip("/"),
                access=keys,
                access_required=False,
            )
            return load_snapshot(copy, generations=generations)

    def _stored(self) -> str:
        """The hash of the state that is stored; empty if there is none."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.comment.decode("ascii", "replace")
        except (OSError, zipfile.BadZipFile):
            return ""

    def _write(self, snapshot: Snapshot, keys: bytes | None) -> None:
        data = snapshot.reading.data
        assert isinstance(data, bytes)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{NAME}.", dir=self.path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                with zipfile.ZipFile(file, "w") as archive:
                    archive.comment = snapshot.hash.encode("ascii")
                    archive.writestr(_CONFIG, data)
                    if keys is not None:
                        archive.writestr(_ACCESS, keys)
                    for prompt in snapshot.prompts.prompts.values():
                        archive.writestr(_member(prompt), original(prompt))
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, self.path)
        except BaseException:
            os.unlink(temporary)
            raise

    @contextmanager
    def _unpacked(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="llm-proxy-last-good-") as directory:
            target = Path(directory)
            (target / _PROMPTS).mkdir()
            try:
                with zipfile.ZipFile(self.path) as archive:
                    archive.extractall(target)
            except FileNotFoundError as error:
                raise NoCopyError("there is no last good copy yet") from error
            except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                raise NoCopyError("the last good copy is damaged or cannot be read") from error
            yield target


def _keys(snapshot: Snapshot, sources: Sources | None) -> bytes | None:
    """The file of the keys, which is read once more where it was let go. Raises ``OSError``."""
    reading = snapshot.reading
    found = look_again(sources, reading) if sources is not None else reading.access
    if isinstance(found, OSError):
        raise found
    if isinstance(found, Unkept):
        raise OSError("the file of the keys was let go")
    return found


def _member(prompt: Prompt) -> str:
    return f"{_PROMPTS}{prompt.language}/{prompt.id}.prompt"


def original(prompt: Prompt) -> bytes:
    """The bytes of the file that ``prompt`` was loaded from, found by its hash: a loaded text lacks the byte order
    mark and the last newline."""
    text = prompt.text.encode()
    for data in (start + text + end for start in _STARTS for end in _ENDS):
        if hashlib.sha256(data).hexdigest() == prompt.hash:
            return data
    raise AssertionError(f"the text of {prompt.ref} does not belong to its hash")
