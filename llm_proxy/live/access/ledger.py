"""The ledger of what was used: SQLite, written by a thread of its own.

Laws: nobody waits for it: rows are queued, bounded, and written in batches several times a second, so that a process that is
killed takes less than a second of them with it. What cannot be written (a full disk, a lock) is kept up to the bound and
tried again; beyond it rows are counted as lost. A file that is broken is moved aside, that is told, and a new one
begun. Without a directory everything is in memory, and ends with the service.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.ledger_tables import Row

log = logging.getLogger(__name__)
T = TypeVar("T")

NAME = "usage.db"
#: Rows that wait at most; seconds between two batches, and how many rows one has at most.
MOST, _PAUSE, _BATCH = 10_000, 0.25, 1000
#: By what this service's rows are told from those of another that has the same directory: inherited by its workers.
SERVICE = secrets.token_hex(8)
#: How long a write waits for another process, in seconds.
_LOCKED = 2.0
#: How often old rows are taken away, in seconds.
_PRUNE = 60.0


class Ledger:
    """``directory`` None: in memory; ``lasts``: whether the directory is there after the service. ``days``: how long rows are
    kept."""

    def __init__(self, directory: Path | None = None, days: int = 400, *, lasts: bool = True) -> None:
        self.path = directory / NAME if directory is not None else None
        self._lasts, self._days = lasts, days
        #: As ``ledger_tables.COLUMNS`` names their values.
        self._rows: deque[Row] = deque()
        self._prices: dict[str, str] = {}
        self._known: set[str] = set()
        self._lock = threading.Lock()
        #: One at a time: the thread that writes, and whoever asks.
        self._base_lock = threading.RLock()
        self._base: sqlite3.Connection | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended = False
        self._pruned_at = time.monotonic()
        self._began = time.time() - time.monotonic()
        self.lost = 0
        #: Why nothing can be written, if so.
        self.problem = ""

    @property
    def kept(self) -> str:
        """Where."""
        return "disk" if self.path is not None and self._lasts else "memory"

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="usage-ledger", daemon=True)
        self._thread.start()

    def add(self, row: Row, price: tuple[str, str] | None = None) -> None:
        """Write that soon; ``price``: hash and text of the price that it names."""
        if len(self._rows) >= MOST:
            self.lost += 1
            return
        if price is not None and price[0] not in self._known:
            with self._lock:
                self._known.add(price[0])
                self._prices[price[0]] = price[1]
        self._rows.append(row)

    def close(self) -> None:
        """Write what is left, and end."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5.0)
        else:
            self._write_all()
        with self._base_lock:
            if self._base is not None:
                self._base.close()
                self._base = None

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """What ``question`` finds, after all that was added so far. Blocking: for a thread. Raises ``sqlite3.Error`` or
        ``OSError``."""
        self._write_all()
        with self._base_lock:
            try:
                return question(self._opened())
            except sqlite3.DatabaseError as error:
                self._judge(error)
                raise

    def report(self) -> dict[str, Any]:
        """For the status endpoint."""
        return {"kept": self.kept, "lost": self.lost} | ({"problem": self.problem} if self.problem else {})

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(_PAUSE)
            self._write_all()
            self._prune()
        self._write_all()

    def _write_all(self) -> None:
        while self._rows and self._write():
            pass

    def _write(self) -> bool:
        """One batch. False: it could not be written, and waits."""
        with self._base_lock:
            rows = [self._rows[at] for at in range(min(_BATCH, len(self._rows)))]
            with self._lock:
                prices = dict(self._prices)
            try:
                tables.add(self._opened(), rows, prices, SERVICE)
            except (sqlite3.Error, OSError) as error:
                self._judge(error)
                return False
            for _ in rows:
                self._rows.popleft()
            with self._lock:
                for name in prices:
                    self._prices.pop(name, None)
        if self.problem:
            self.problem = ""
            log.info("usage is written again")
        return True

    def _prune(self) -> None:
        if time.monotonic() - self._pruned_at < _PRUNE:
            return
        try:
            # A clock that jumps ahead makes nothing old.
            now = min(time.time(), self._began + time.monotonic() + tables.DAY)
            with self._base_lock:
                gone = tables.prune(self._opened(), now - self._days * tables.DAY)
        except (sqlite3.Error, OSError) as error:
            self._judge(error)
            gone = 0
        if not gone:
            self._pruned_at = time.monotonic()

    def _opened(self) -> sqlite3.Connection:
        if self._base is None:
            self._base = self._open()
        return self._base

    def _open(self) -> sqlite3.Connection:
        where = ":memory:"
        if self.path is not None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            where = str(self.path)
        base = sqlite3.connect(where, timeout=_LOCKED, isolation_level=None, check_same_thread=False)
        try:
            if self.path is not None:
                base.execute("PRAGMA journal_mode=WAL")
                base.execute("PRAGMA synchronous=NORMAL")
                os.chmod(self.path, 0o600)
            else:
                base.execute("PRAGMA journal_mode=MEMORY")
                base.execute("PRAGMA synchronous=OFF")
            with contextlib.closing(base.execute("SELECT count(*) FROM sqlite_master")):
                pass
            tables.create(base)
        except BaseException:
            base.close()
            raise
        return base

    def _judge(self, error: BaseException) -> None:
        """What went wrong: a broken file makes room for a new one, anything else is told and tried again."""
        text = str(error).partition("\n")[0][:200]
        broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if self._base is not None:
            with contextlib.suppress(sqlite3.Error):
                self._base.close()
            self._base = None
        if broken and self.path is not None and self._is_broken():
            aside = self.path.with_name(f"{NAME}.broken-{int(time.time())}-{os.getpid()}")
            with contextlib.suppress(OSError):
                os.replace(self.path, aside)
                for end in ("-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        os.replace(f"{self.path}{end}", f"{aside}{end}")
                log.warning(
                    "the usage file is broken; a new one is begun",
                    extra={"kept_as": aside.name, "problem": text},
                )
            self._known.clear()
            return
        if not self.problem:
            log.warning("usage cannot be written; it is kept, and tried again", extra={"problem": text})
        self.problem = text

    def _is_broken(self) -> bool:
        """Whether the file that lies there now is: another process may have begun a new one."""
        try:
            base = sqlite3.connect(str(self.path), timeout=_LOCKED)
            try:
                return bool(base.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
            finally:
                base.close()
        except sqlite3.OperationalError:
            return False
        except sqlite3.DatabaseError:
            return True
