"""Where the gateway listens: its ports, the certificate that it shows, and what stands in front of it."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from llm_proxy.cli.doctor.findings import Finding, broken, note, ok
from llm_proxy.clients.binding import PortBusy, listen
from llm_proxy.clients.certificates import CertificateError, TlsFiles, load
from llm_proxy.clients.http_server import StartError
from llm_proxy.net.port_holder import holder_of
from llm_proxy.settings import PREFIX, Settings
from llm_proxy.wire.listen_on import Places

_PATIENCE = 2.0
#: A certificate that ends within so many days is worth a word.
_SOON = 14
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Programs that stand in front of services.
_PROXIES = ("nginx", "haproxy", "traefik", "caddy", "envoy", "apache2", "httpd", "cloudflared")
#: The validity of a certificate in DER: two times, UTCTime or GeneralizedTime (RFC 5280, section 4.1.2.5).
_VALIDITY = re.compile(rb"(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z){2}")


def look(settings: Settings, env: Mapping[str, str], access: bool) -> Iterator[Finding]:
    """All of them. ``access``: whether keys are asked for."""
    yield from _ports(settings)
    yield from _certificate(settings)
    yield from _reach(settings, env, access)


def _ports(settings: Settings) -> Iterator[Finding]:
    hosts = Places.of(settings.host).hosts
    for name, port in (
        ("PORT", settings.port),
        ("OLLAMA_PORT", settings.ollama_port),
        ("METRICS_PORT", settings.metrics_port),
    ):
        if port is None or not hosts:
            continue
        subject = f"port {port}" if name == "PORT" else f"port {port} ({PREFIX}{name})"
        if port == 0:
            yield ok(f"{PREFIX}{name}", "any free port")
            continue
        try:
            for listening in listen(hosts, port):
                listening.close()
        except PortBusy:
            yield _busy(subject, name, port, settings)
        except StartError as error:
            yield broken(
                subject,
                str(error),
                f"{PREFIX}{name} and {PREFIX}HOST say where to listen; ports below 1024 want a right",
            )
        else:
            yield ok(subject, f"free, at {', '.join(hosts)}")


def _busy(subject: str, name: str, port: int, settings: Settings) -> Finding:
    running = gateway_at(port, secure=settings.tls_cert is not None)
    if running:
        return ok(subject, f"a gateway of ours runs there, generation {running}")
    holder = holder_of(port)
    if name == "PORT" and not settings.port_asked:
        return note(
            subject,
            f"taken by {holder}: the next free one would be used",
            f"{PREFIX}PORT names one of your own",
        )
    return broken(subject, f"taken by {holder}", f"end that program, or set {PREFIX}{name} to another port")


def gateway_at(port: int, *, secure: bool = False) -> str:
    """The generation of a gateway that listens there on this machine; empty if it is something else."""
    if secure:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = (
            False,
            ssl.CERT_NONE,
        )  # it is our own, and nothing is sent
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=_PATIENCE, context=context
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/")
        return connection.getresponse().headers.get("X-Config-Generation", "")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def _certificate(settings: Settings) -> Iterator[Finding]:
    if settings.tls_cert is None:
        return
    subject = f"{PREFIX}TLS_CERT"
    try:
        load(TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca))
    except CertificateError as error:
        yield broken(subject, str(error), "give the files of a certificate and its key, in PEM format")
        return
    end = _end_of(settings.tls_cert)
    days = (end - time.time()) / 86_400 if end else None
    if days is None:
        yield ok(subject, "can be used")
    elif days < 0:
        yield broken(
            subject, f"it ended {-days:.0f} days ago", "renew it; the files are read again by themselves"
        )
    elif days < _SOON:
        yield note(subject, f"it ends in {days:.0f} days", "renew it; the files are read again by themselves")
    else:
        yield ok(subject, f"good for {days:.0f} days")


def _end_of(path: Path) -> float | None:
    """When the first certificate of a PEM file ends, in seconds since the epoch."""
    try:
        text = path.read_text("ascii", errors="replace")
        block = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL)
        data = ssl.PEM_cert_to_DER_cert(block[0]) if block else b""
    except (OSError, ValueError):
        return None
    found = _VALIDITY.search(data)
    if not found:
        return None
    match = re.search(rb"(\d{12,14})Z$", found[0])
    assert match is not None
    digits = match[1].decode()
    form = "%y%m%d%H%M%S" if len(digits) == 12 else "%Y%m%d%H%M%S"
    return datetime.strptime(digits, form).replace(tzinfo=UTC).timestamp()


def _reach(settings: Settings, env: Mapping[str, str], access: bool) -> Iterator[Finding]:
    """Who can ask, and through what."""
    places = Places.of(settings.host)
    beyond = [host for host in places.hosts if host not in _LOOPBACK]
    if not access and beyond:
        yield note(
            "who may ask",
            f"everybody who reaches {', '.join(beyond)}, without a key",
            "llm-proxy key new NAME --write makes access.json, and the first key",
        )
    if beyond and not settings.allowed_hosts:
        yield note(
            "names of this gateway",
            "requests that name another host than a loopback name are refused (403)",
            f"{PREFIX}ALLOWED_HOSTS: the names and addresses by which clients say it",
        )
    fronts = _fronts()
    if fronts and not settings.trusted_proxies:
        yield note(
            "in front",
            f"{', '.join(fronts)}: if it passes requests on to this gateway, their addresses are not believed",
            f"{PREFIX}TRUSTED_PROXIES=127.0.0.1; buffering off and long time-outs: docs/deployment.md",
        )
    elif fronts:
        yield ok("in front", f"{', '.join(fronts)}; believed: {', '.join(settings.trusted_proxies)}")
    elif "KUBERNETES_SERVICE_HOST" in env:
        yield ok("in front", "Kubernetes; probes and drains: docs/deployment.md")
    elif not beyond:
        yield ok("in front", "nothing that can be seen; only this machine reaches the gateway")
    else:
        yield ok("in front", "nothing that can be seen on this machine")


def _fronts() -> list[str]:
    """Proxies that listen on this machine at the ports of the web."""
    found = []
    for port in (80, 443):
        holder = holder_of(port)
        if holder.name and os.path.basename(holder.name) in _PROXIES:
            found.append(f"{holder} at port {port}")
    return found
