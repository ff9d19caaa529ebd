"""Who is signed in: a table in shared memory."""

from __future__ import annotations

import os

from llm_proxy.console.sessions import LASTS, SLOTS, Sessions, cookie_in

DIGEST, OTHER = b"d" * 32, b"o" * 32


def test_a_session_lasts_twelve_hours_and_ends_when_it_is_closed() -> None:
    """Its text leads to the digest of its key; no other text leads anywhere."""
    sessions = Sessions()
    text = sessions.open(DIGEST, 1000.0)
    other = sessions.open(OTHER, 1000.0)
    found = sessions.find(text, 1000.0 + LASTS - 1)

    assert found is not None
    assert (found.digest, found.ends) == (DIGEST, 1000.0 + LASTS)
    assert sessions.find(text, 1000.0 + LASTS) is None
    for wrong in ("", text[:-1], text + "A", "é" * 43, "A" * 43):
        assert sessions.find(wrong, 1001.0) is None
    sessions.close(text)
    sessions.close(text)
    assert sessions.find(text, 1001.0) is None
    assert sessions.find(other, 1001.0) is not None
    sessions.release()


def test_the_oldest_gives_way() -> None:
    """The table is full."""
    sessions = Sessions()
    texts = [sessions.open(DIGEST, float(number)) for number in range(SLOTS + 2)]

    assert [sessions.find(text, SLOTS + 2.0) is None for text in texts] == [True, True, *[False] * SLOTS]
    sessions.release()


def test_processes_share_them() -> None:
    """What a child opens, its parent finds; the text is nowhere in the page."""
    sessions = Sessions()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, sessions.open(DIGEST, 1000.0).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    text = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)

    assert sessions.find(text, 1001.0) is not None
    assert text.encode() not in sessions._page[:]
    sessions.release()


def test_a_cookie_is_found_among_others() -> None:
    """RFC 6265."""
    assert cookie_in("a=b; llm_proxy_session=xyz; c=d") == "xyz"
    assert cookie_in("llm_proxy_sessions=xyz") == cookie_in("") == cookie_in(None) == ""
