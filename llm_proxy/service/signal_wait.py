"""The next of the signals that are held back, or nothing within some seconds.

Law: a process that was stopped or frozen while it waited hears nothing that was not sent. CPython's own ``sigtimedwait``
gives back whatever lay in memory if its time was over when the wait was interrupted (``signal_sigtimedwait_impl``: it
leaves the loop and reads a record that nobody has filled in), so its time is a signal of its own here.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable

#: Its handler never runs: it is held back like the others.
ALARM = signal.SIGALRM


def next_signal(numbers: Iterable[signal.Signals], seconds: float) -> signal.Signals | None:
    """One of ``numbers``, which are blocked as ``ALARM`` is, or None after ``seconds``."""
    numbers = {*numbers, ALARM}
    if seconds > 0:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
        got = signal.sigwaitinfo(numbers)
        signal.setitimer(signal.ITIMER_REAL, 0)
    else:
        now = signal.sigtimedwait(numbers, 0)  # it does not sleep, so nothing interrupts it
        if now is None:
            return None
        got = now
    return None if got.si_signo == ALARM else signal.Signals(got.si_signo)
