"""The process: application, listening socket, signals, drain.

Laws: everything is built before the socket listens; a stop first says so on ``/ping``, then stops accepting, lets
running requests finish up to the drain limit, tells the rest honestly and leaves with status 0; a second stop signal
leaves at once. Connections are capped below half of the descriptors, because Tornado's accept loop does not back off
when they run out.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import resource
import signal
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application

import handlers
import llm_proxy
import providers
from handlers import anthropic, chat, conversation, openai, passthrough, ping, prompts, status, tags
from handlers.base import NotFoundHandler
from llm_proxy.demo import DemoServer
from llm_proxy.errors import Draining
from llm_proxy.gateway import Gateway
from llm_proxy.last_good import LastGood
from llm_proxy.opening import Opened, open_state
from llm_proxy.registry import Registry, Snapshot, Sources
from llm_proxy.settings import Settings
from llm_proxy.transport import PooledHTTPClient, PoolLimits
from llm_proxy.upstream import UpstreamClient
from llm_proxy.watcher import Watcher
from providers.discovery import discover

log = logging.getLogger(__name__)

#: Between the last answer and closing what is left: for connections that are accepted but not parsed yet.
_LAST_CALL = 0.25
#: After a stream was ended by the drain, its error event should reach the client before the process is gone.
_FAREWELL = 0.5

_BUSY_BODY = (
    b'{"error":{"message":"too many connections","type":"server_error","code":"no_upstream","param":null}}'
)
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_BUSY_BODY), _BUSY_BODY)
)


class StartError(RuntimeError):
    """The process cannot start; the text is one line for the operator, the exit status is 1."""


def make_app(gateway: Gateway) -> Application:
    """All endpoints below the prefix; everything else is a JSON 404."""
    modules: Iterable[Any] = (
        *(ping, status, tags, prompts),
        *(chat, conversation, passthrough),
        *(openai, anthropic),
    )
    prefix = gateway.settings.ep_prefix
    shared = {"gateway": gateway}
    routes = [(prefix + path, handler, shared) for module in modules for path, handler in module.routes]
    routes += [
        (path, handler, shared) for module in modules for path, handler in getattr(module, "root_routes", ())
    ]
    return Application(
        routes,
        default_handler_class=NotFoundHandler,
        default_handler_args=shared,
        log_function=_no_log,
    )


def _no_log(handler: Any) -> None:
    """Tornado's access line is ours to write: see ``handlers.base``."""


class Server(HTTPServer):
    """Tornado's server with a cap on connections."""

    def initialize(self, *args: Any, limit: int = 10_000, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self.limit = limit
        self.open = 0

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        if self.open >= self.limit:
            stream.write(_BUSY)
            stream.close()
            return
        self.open += 1
        stream.set_nodelay(True)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        self.open -= 1
        super().on_close(server_conn)


def check_layout() -> None:
    """The three packages must come from one place: their names are generic, and another distribution could shadow
    one of them. Raises ``StartError`` naming the paths."""
    homes = {
        p.__name__: Path(p.__file__ or "").resolve().parent.parent for p in (llm_proxy, handlers, providers)
    }
    if len(set(homes.values())) > 1:
        places = ", ".join(f"{name} from {home}" for name, home in homes.items())
        raise StartError(f"the packages do not belong together: {places}; install llm-proxy-api on its own")


class Service:
    """One process's parts, in the order in which they start; ``stop`` takes them down in reverse."""

    def __init__(self, settings: Settings, env: dict[str, str], snapshot: Snapshot | None = None) -> None:
        self.settings = settings
        self.demo = DemoServer()
        sources = Sources(
            models_config=settings.models_config,
            prompts_dir=settings.prompts_dir,
            adapters=discover(),
            env=env,
            max_total=settings.timeout,
            demo_host=lambda: self.demo.host,
        )
        last_good = LastGood(settings.last_good) if settings.last_good else None
        opened = Opened(snapshot) if snapshot else open_state(sources, last_good)
        self.registry = Registry(sources, opened.snapshot, outcome=opened.outcome, last_good=last_good)
        self.watcher = Watcher(self.registry, settings.watch)
        client = PooledHTTPClient(
            force_instance=True,
            limits=PoolLimits(connections=settings.upstream_connections, idle_http=settings.upstream_idle),
            pool_timeout=settings.upstream_wait,
            proxies=proxies(env),
        )
        self.gateway = Gateway(
            settings,
            self.registry,
            UpstreamClient(client),
            watcher_report=self.watcher.report,
            hosts=accepted_hosts(settings),
        )
        self.server = Server(
            make_app(self.gateway),
            limit=connection_cap(settings.max_connections),
            idle_connection_timeout=settings.header_timeout,
            body_timeout=None,
            max_header_size=65536,
        )

    def start(self, sockets: list[socket.socket]) -> None:
        """Listen. Call on the running loop."""
        self.demo.sync(self.registry.current.config.uses_demo)
        self.registry.on_swap.append(lambda snapshot: self.demo.sync(snapshot.config.uses_demo))
        self.server.add_sockets(sockets)
        self.watcher.start()

    async def stop(self, at_once: asyncio.Event) -> None:
        """Drain and close. ``at_once`` cuts the wait short."""
        gateway = self.gateway
        gateway.draining = True
        self.server.stop()
        log.info(
            "stopping",
            extra={
                "running": len(gateway.running),
                "drain_seconds": self.settings.drain_seconds,
            },
        )
        await _until_idle(gateway, self.settings.drain_seconds, at_once)
        if gateway.running and not at_once.is_set():
            for running in list(gateway.running):
                running.abort(Draining("the gateway is stopping", retry_after="1"))
            await _until_idle(gateway, _FAREWELL, at_once)
        if not at_once.is_set():
            await asyncio.sleep(_LAST_CALL)
        await self.server.close_all_connections()
        gateway.upstream.close()
        self.watcher.stop()
        self.registry.close()
        self.demo.close()
        log.info("stopped")


async def _until_idle(gateway: Gateway, seconds: float, at_once: asyncio.Event) -> None:
    """Return when nothing runs any more, after ``seconds``, or at once."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + seconds
    # Three reasons to end; a look every 20 ms is nothing beside a drain.
    while gateway.running and loop.time() < limit and not at_once.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def accepted_hosts(settings: Settings) -> frozenset[str]:
    """Host names that a request may carry; empty (any) unless we listen on loopback, where a web page could otherwise
    reach us under a name of its own (DNS rebinding)."""
    if not is_loopback(settings.host):
        return frozenset()
    names = {host.rsplit(":", 1)[0] if host.count(":") == 1 else host for host in settings.allowed_hosts}
    return frozenset({"localhost", "127.0.0.1", "::1", "[::1]", settings.host.lower()} | names)


def proxies(env: Mapping[str, str]) -> dict[str, str]:
    """The usual proxy variables, in either case, as curl reads them. This machine is always reached directly: model
    servers run on it, and so does the demo."""
    found = {
        scheme: env.get(f"{scheme}_proxy") or env.get(f"{scheme.upper()}_PROXY")
        for scheme in ("http", "https", "no")
    }
    found["no"] = ",".join(filter(None, [found["no"], "localhost,127.0.0.1,::1"]))
    return {scheme: value for scheme, value in found.items() if value}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def connection_cap(wanted: int) -> int:
    """``wanted`` client connections, but below half of the descriptors, since each may need an upstream socket. The
    soft limit is raised to the hard one first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        soft = target
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, max(1, soft // 2 - 16))


def listen(settings: Settings) -> list[socket.socket]:
    """The listening sockets. Raises ``StartError`` if the address cannot be had."""
    try:
        return bind_sockets(settings.port, settings.host, backlog=1024)
    except OSError as error:
        reason = error.strerror or "cannot listen"
        raise StartError(f"cannot listen on {settings.host}:{settings.port}: {reason}") from error


async def serve(service: Service, sockets: list[socket.socket]) -> None:
    """Run until a stop signal has been obeyed."""
    loop = asyncio.get_running_loop()
    stopping, at_once = asyncio.Event(), asyncio.Event()

    def on_stop() -> None:
        if stopping.is_set():
            at_once.set()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: service.registry.touch("signal"))
    service.start(sockets)
    host, port = sockets[0].getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.info(
        "listening",
        extra={
            "url": f"http://{shown}:{port}{service.settings.ep_prefix}",
            "generation": service.registry.current.version,
            "models": len(service.registry.current.models),
        },
    )
    await stopping.wait()
    await service.stop(at_once)
