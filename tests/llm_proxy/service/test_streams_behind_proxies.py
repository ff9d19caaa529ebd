"""Streams, stops and TLS behind a real nginx and a real HAProxy. Skipped, in a sentence, where there is none."""

from __future__ import annotations

import asyncio
import signal
import ssl
from pathlib import Path
from string import Template

import pytest

from tests.llm_proxy.service.test_behind_proxies import (
    HAPROXY,
    NGINX,
    free_port,
    in_front,
    needs_haproxy,
    needs_nginx,
)
from tests.llm_proxy.service.test_start_stop import CHAT, config, held
from tests.llm_proxy.service.test_upgrade import DEMO, KINDS, Load, version_of
from tests.support.client import Connection, request
from tests.support.peer import Peer
from tests.support.program import Program

pytestmark = pytest.mark.one_python(
    "what a proxy makes of our bytes is the proxy's; other tests judge the bytes on each Python"
)

DATA = Path(__file__).resolve().parents[2] / "data" / "tls"

_NGINX = Template(
    """
daemon off; worker_processes 1; pid $folder/nginx.pid; error_log $folder/error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path $folder/a; proxy_temp_path $folder/b; fastcgi_temp_path $folder/c; uwsgi_temp_path $folder/d;
  scgi_temp_path $folder/e;
  upstream kept { server $there; keepalive 8; }
  server {
    listen 127.0.0.1:$port;
    location /plain/ { proxy_pass http://$there/; }
    location /kept/ { proxy_pass http://kept/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $$host; }
    location /zipped/ { proxy_pass http://$there/; gzip on; gzip_types text/event-stream application/json; gzip_proxied any; }
  }
}
"""
)
_NGINX_TLS = Template(
    """
daemon off; worker_processes 1; pid $folder/nginx.pid; error_log $folder/error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path $folder/a; proxy_temp_path $folder/b; fastcgi_temp_path $folder/c; uwsgi_temp_path $folder/d;
  scgi_temp_path $folder/e;
  server {
    listen 127.0.0.1:$port ssl;
    ssl_certificate DATA/good.pem; ssl_certificate_key DATA/good.pem;
    location / {
      proxy_pass https://$there; proxy_http_version 1.1; proxy_set_header Host $$http_host;
      proxy_ssl_trusted_certificate DATA/ca.pem; proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_server_name on;
      proxy_set_header X-Forwarded-Proto https;
    }
  }
}
""".replace("DATA", str(DATA))
)
_HAPROXY = """
global
  maxconn 64
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout check 5s
  retries 3
  option redispatch
frontend front
  bind 127.0.0.1:$port
  default_backend all
backend all
  http-reuse always
  option httpchk GET /readyz
  server first $there check inter 100ms fall 1 rise 1
"""


@needs_nginx
@pytest.mark.parametrize("place", ["/plain", "/kept", "/zipped"])
async def test_tokens_through_nginx(place: str, tmp_path: Path) -> None:
    """With its defaults (HTTP/1.0, buffers), on kept connections and with compression for everything, a token is with the client before
    the next one exists."""
    gate = asyncio.Event()
    async with (
        Peer(held(gate)) as peer,
        Program(tmp_path, config(peer.url + "/v1")) as program,
        in_front(program, tmp_path, _NGINX, str(NGINX), "-p", str(tmp_path), "-c") as url,
        Connection(url) as client,
    ):
        await client.send("POST", place + "/api/chat", CHAT)
        head = await client.head()
        async with asyncio.timeout(20):
            first = await client.piece(head)
        gate.set()
        answer = await client.rest(head)

    assert (first.count(b"data: "), b"one" in first) == (1, True)
    assert (answer.text(), answer.complete) == ("one two", True)


@needs_haproxy
async def test_tokens_through_haproxy(tmp_path: Path) -> None:
    """The same."""
    gate = asyncio.Event()
    async with (
        Peer(held(gate)) as peer,
        Program(tmp_path, config(peer.url + "/v1")) as program,
        in_front(program, tmp_path, Template(_HAPROXY), str(HAPROXY), "-db", "-f") as url,
        Connection(url) as client,
    ):
        await client.send("POST", "/api/chat", CHAT)
        head = await client.head()
        async with asyncio.timeout(20):
            first = await client.piece(head)
        gate.set()
        answer = await client.rest(head)

    assert b"one" in first
    assert b"two" not in first
    assert (answer.text(), answer.complete) == ("one two", True)


@needs_haproxy
@pytest.mark.timeout(seconds=90)
async def test_one_of_two_is_stopped_behind_haproxy(tmp_path: Path) -> None:
    """Its check of ``/readyz`` turns it away within the lame-duck time: not one request is lost, streams included, on whichever
    connection, while the first of two gateways stops, and then it stands alone with the other."""
    (tmp_path / "second").mkdir()
    port = free_port()
    async with (
        Program(tmp_path, DEMO, lame_duck_seconds=2) as first,
        Program(tmp_path / "second", DEMO, port=port) as _,
    ):
        both = Template(_HAPROXY + f"  server second 127.0.0.1:{port} check inter 100ms fall 1 rise 1\n")
        async with in_front(first, tmp_path, both, str(HAPROXY), "-db", "-f") as url:
            load = Load(url, KINDS)
            version = version_of(await request(url, "GET", "/livez"))
            await load.enough_of(version)
            first.signal(signal.SIGTERM)
            code = await first.ended()
            load.answered.clear()
            await load.enough_of(version)
            await load.end()

    assert (load.failures, code) == ([], 0)


@needs_nginx
async def test_tls_on_both_sides_of_nginx(tmp_path: Path) -> None:
    """nginx speaks TLS to clients and to us, and checks our certificate; a stream comes through."""
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"one two"}]}'
    async with (
        Program(tmp_path, DEMO, tls_cert=DATA / "good.pem") as program,
        in_front(program, tmp_path, _NGINX_TLS, str(NGINX), "-p", str(tmp_path), "-c") as url,
    ):
        host, port = "127.0.0.1", int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection(
            host,
            port,
            ssl=ssl.create_default_context(cafile=str(DATA / "ca.pem")),
            server_hostname="localhost",
        )
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\n"
            % port
            + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.transport.abort()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"data: [DONE]" in answer
