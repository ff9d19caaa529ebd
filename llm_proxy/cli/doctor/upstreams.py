"""Each upstream, asked what it lists: a GET that costs nothing, by the client and with the certificates, proxies and key of the service.

A few at a time; each has some seconds. Nothing that an upstream says is shown but names of models.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from llm_proxy.cli.doctor.findings import Finding, broken, note, ok
from llm_proxy.errors import GatewayError, UpstreamAuth
from llm_proxy.live.state.registry import Snapshot
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.reading import await_head, read_whole, refuse_errors
from llm_proxy.relay.upstream import UpstreamClient
from llm_proxy.service.surroundings import proxies
from llm_proxy.upstreams.http_client import PooledHTTPClient
from llm_proxy.wire.calls import Deployment, Timeouts

_LIMITS = Timeouts(connect=3.0, first_byte=8.0, idle=5.0, total=12.0)
_MAX_ANSWER = 8 * 1024 * 1024
_AT_ONCE = 8
#: Seconds by which a clock may be wrong before somebody should hear of it, and before signatures and certificates fail.
_DRIFT, _FAR = 60.0, 300.0
_LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one question: ``names`` it lists (None: it does not say), ``error``, ``drift`` of its clock in seconds."""

    names: frozenset[str] | None = None
    error: GatewayError | None = None
    drift: float | None = None
    seconds: float = 0.0


def look(snapshot: Snapshot, env: Mapping[str, str]) -> list[Finding]:
    """A finding for each provider's upstream, and one for the clock."""
    groups = _groups(snapshot)
    if not groups:
        return []
    heard = asyncio.run(_ask_all(snapshot, [rows[0] for rows in groups], env))
    found = [finding for rows, one in zip(groups, heard, strict=True) for finding in _findings(rows, one)]
    drifts = [one.drift for one in heard if one.drift is not None]
    return [*found, *_clock(drifts)]


def _groups(snapshot: Snapshot) -> list[list[Deployment]]:
    """The rows of each upstream that is asked with one key; without the demo model, which is no server."""
    groups: dict[tuple[object, ...], list[Deployment]] = {}
    for row in snapshot.config.deployments:
        if row.active and row.api_type != "demo":
            key = (row.provider, row.api_host, row.token.reveal() if row.token else None)
            groups.setdefault(key, []).append(row)
    return list(groups.values())


async def _ask_all(snapshot: Snapshot, rows: list[Deployment], env: Mapping[str, str]) -> list[Heard]:
    http = PooledHTTPClient(force_instance=True, proxies=proxies(env))
    client, turn = UpstreamClient(http), asyncio.Semaphore(_AT_ONCE)

    async def ask(row: Deployment) -> Heard:
        async with turn:
            return await _ask(snapshot, client, row)

    try:
        return list(await asyncio.gather(*map(ask, rows)))
    finally:
        http.close()


async def _ask(snapshot: Snapshot, client: UpstreamClient, row: Deployment) -> Heard:
    adapter = snapshot.adapter(row)
    call = adapter.list_call(row)
    if call is None:
        return Heard()
    drift, begun = None, time.monotonic()
    try:
        async with client.exchange(call._replace(timeouts=_LIMITS), row) as exchange:
            clock = Clock(exchange, _LIMITS)
            head = await await_head(exchange, clock)
            with suppress(TypeError, ValueError):
                drift = time.time() - parsedate_to_datetime(head.headers.get("date", "")).timestamp()
            seconds = time.monotonic() - begun
            await refuse_errors(exchange, adapter, head, clock)
            names = adapter.listed(await read_whole(exchange, clock, _MAX_ANSWER))
    except GatewayError as error:
        return Heard(error=error, drift=drift)
    return Heard(None if names is None else frozenset(names), None, drift, seconds)


def _findings(rows: list[Deployment], heard: Heard) -> Iterator[Finding]:
    row = rows[0]
    subject = f"{row.provider} ({_place(row.api_host)})"
    if heard.error is not None:
        yield _trouble(subject, row, heard.error)
        return
    if heard.names is None:
        yield note(
            subject,
            "it answers, but lists no models, so that nothing more can be seen for free",
            "ask it once: llm-proxy client curl prints the line",
        )
        return
    missing = sorted({one.model for one in rows if "*" not in one.model and not _has(heard.names, one.model)})
    count = f"{len(heard.names)} model{'s' * (len(heard.names) != 1)} in {heard.seconds:.1f} s"
    if not missing:
        yield ok(subject, f"it answers, and lists {count}")
        return
    shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
    remedy = (
        f"ollama pull {missing[0]}"
        if row.api_type == "ollama"
        else f'mend "model" of {row.provider}; what it lists: {_some(heard.names)}'
    )
    yield note(subject, f"it answers, and lists {count}, but not {shown}", remedy)


def _has(names: frozenset[str], model: str) -> bool:
    return model in names or f"{model}:latest" in names


def _some(names: frozenset[str]) -> str:
    first = sorted(names)[:4]
    return (", ".join(first) or "none") + (", ..." if len(names) > len(first) else "")


def _trouble(subject: str, row: Deployment, error: GatewayError) -> Finding:
    host = urlsplit(row.api_host).hostname or row.api_host
    if isinstance(error, UpstreamAuth) or error.kind == "auth":
        return broken(
            subject,
            "it refuses our key",
            f"look at api_token of {row.provider}: the variable or file that it names",
        )
    if error.phase == "resolve":
        return broken(
            subject,
            f"the name {host} is not known here",
            f"mend api_host of {row.provider}, or the DNS of this machine; behind a proxy: HTTPS_PROXY",
        )
    if error.phase == "tls":
        words = (
            "its certificate is not trusted"
            if error.kind == "verify"
            else "it does not speak TLS as it should"
        )
        return broken(
            subject, words, f"ca of {row.provider} names who has signed it; or SSL_CERT_FILE for all"
        )
    if error.phase in ("connect", "pool"):
        reasons = {"refused": "nobody listens there", "timeout": "no connection within 3 s"}
        words = reasons.get(error.kind or "", f"no connection ({error.kind})")
        return broken(subject, words, _where(row, host))
    if error.kind == "timeout":
        return broken(
            subject,
            "it took the question and did not answer within 8 s",
            "look at that server: it hangs or is overloaded",
        )
    if error.status == 404 or error.code == "upstream_not_found" or "404" in str(error):
        return note(
            subject,
            "it answers, but has no list of models there (404)",
            f"if requests fail too, mend api_host of {row.provider}: the base URL of its API, such as https://host/v1",
        )
    return broken(
        subject, f"it answers with an error ({error.phase}: {error.kind})", "look at that server's log"
    )


def _where(row: Deployment, host: str) -> str:
    if host in _LOCAL and Path("/.dockerenv").exists():
        return (
            f"start that server; in a container {host} is the container itself: host.docker.internal, or the "
            f"service's name, in api_host of {row.provider}"
        )
    return f"start that server, or mend api_host of {row.provider}"


def _place(host: str) -> str:
    """A host without what may be secret in its path."""
    parts = urlsplit(host)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else host.partition(":/v")[0]


def _clock(drifts: list[float]) -> Iterator[Finding]:
    """This machine's clock beside those of the upstreams: the one in the middle, because one of theirs may be wrong."""
    if not drifts:
        return
    middle = sorted(drifts)[len(drifts) // 2]
    words = f"{abs(middle):.0f} s {'ahead of' if middle > 0 else 'behind'} the upstreams'"
    remedy = "start a time service (chrony, systemd-timesyncd)"
    if abs(middle) > _FAR:
        yield broken("clock and others", words, remedy)
    elif abs(middle) > _DRIFT:
        yield note("clock and others", words, remedy)
    else:
        yield ok("clock and others", "the upstreams agree with it")
