"""Where a service keeps what was used, and what of it there is when it begins.

Laws: before anybody is served, and before workers are forked. A directory that cannot be used ends the start. Blocking.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from llm_proxy.clients.http_server import StartError
from llm_proxy.live.access.ledger import Ledger
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.shared import Shared
from llm_proxy.live.access.shared_counters import SharedCounters
from llm_proxy.live.state.snapshot import Snapshot
from llm_proxy.service.recalling import recall
from llm_proxy.settings import PREFIX, Settings

log = logging.getLogger(__name__)

#: Where memory is found as files, and how our directories are called there.
_PLACES = ("/dev/shm", tempfile.gettempdir())  # noqa: S108 (a directory of our own, that nobody else may read)
_OURS, _LOCK = "llm-proxy-usage-", "lock"
#: The locks of the directories that are ours now: as long as a process has them, the directory is in use.
_held: list[int] = []


def prepare_state(settings: Settings, snapshot: Snapshot, cells: SharedCounters) -> None:
    """Make the directory, and fill ``cells`` with what its ledger knows. Raises ``StartError``."""
    access = snapshot.access
    if settings.state is not None:
        try:
            settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(settings.state, os.O_RDONLY | os.O_DIRECTORY)
            os.close(descriptor)
            if not os.access(settings.state, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise StartError(f"{PREFIX}STATE: the directory cannot be used: {error.strerror}") from None
    if access is None:
        return
    if access.budgets and settings.state is None:
        log.warning("what budgets have spent is forgotten at each start: LLM_PROXY_API_STATE is not set")
    if settings.state is not None:
        recall(access, Ledger(settings.state, settings.usage_days), Meter(cells), cells)


def memory_of_workers(settings: Settings) -> Path | None:
    """Where several workers keep what ends with the service: in memory, if the machine has a place for that. What services
    left there that were killed is removed."""
    if settings.state is not None:
        return None
    for place in _PLACES:
        _sweep(Path(place))
        try:
            made = Path(tempfile.mkdtemp(prefix=_OURS, dir=place))
            _held.append(_lock(made / _LOCK, os.O_CREAT))
        except OSError:
            continue
        return made
    return None


def _lock(path: Path, flags: int = 0) -> int:
    """A descriptor that holds the lock of ``path``, in this process and those that it forks. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDWR | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _sweep(place: Path) -> None:
    """Remove directories of ours whose lock nobody holds: all processes of their service are gone."""
    for left in place.glob(_OURS + "*"):
        with suppress(OSError):
            descriptor = _lock(left / _LOCK)
            shutil.rmtree(left, ignore_errors=True)
            os.close(descriptor)


def ledger_of(settings: Settings, memory: Path | None) -> Ledger:
    """The ledger of one process."""
    return Ledger(settings.state or memory, settings.usage_days, lasts=settings.state is not None)


def shared_limits(settings: Settings, service: str) -> Shared | None:
    """What other machines count too. Raises ``StartError``."""
    if not settings.shared:
        return None
    try:
        return Shared(settings.shared, service)
    except ImportError:
        raise StartError(
            f"{PREFIX}SHARED: needs the extra [shared]: pip install llm-proxy-api[shared]"
        ) from None
    except ValueError:
        raise StartError(f"{PREFIX}SHARED: is no address of a Redis or Valkey") from None
