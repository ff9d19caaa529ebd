"""Behind a real nginx and a real HAProxy, set up as people set them up. Skipped, in a sentence, where there is none."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template
from typing import Any

import pytest

from tests.support.client import Answer, Connection, request
from tests.support.loops import wait_until
from tests.support.program import PATIENCE, Program

NGINX, HAPROXY = shutil.which("nginx"), shutil.which("haproxy")
needs_nginx = pytest.mark.skipif(
    NGINX is None, reason="there is no nginx on this machine (Debian: apt-get install nginx)"
)
needs_haproxy = pytest.mark.skipif(
    HAPROXY is None, reason="there is no HAProxy on this machine (Debian: apt-get install haproxy)"
)
DEMO: dict[str, Any] = {"demo": {"demo": {}}}
CHAT = {"model": "demo", "messages": [{"role": "user", "content": "one two"}], "stream": True}
TRUSTED: dict[str, Any] = {"trusted_proxies": "127.0.0.0/8"}

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
    location /llm/ {
      proxy_pass http://$there/;
      proxy_set_header X-Forwarded-For $$proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-Host $$http_host;
      proxy_set_header X-Forwarded-Prefix /llm;
    }
    location /sloppy { proxy_pass http://$there/; }
    location /whole/ { proxy_pass http://$there; }
    location /kept/ { proxy_pass http://kept/; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
"""
)
_HAPROXY = Template(
    """
global
  maxconn 64
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  option forwardfor
backend plain
  option httpchk
  server s $there check inter 100ms
backend asterisk
  option httpchk OPTIONS *
  http-check send ver HTTP/1.1 hdr Host localhost
  server s $there check inter 100ms
backend ready
  option httpchk GET /readyz
  server s $there check inter 100ms
backend live
  option httpchk HEAD /livez
  server s $there check inter 100ms
backend named
  http-check send hdr Host health.example
  option httpchk
  server s $there check inter 100ms
frontend front
  bind 127.0.0.1:$port
  http-request set-header X-Forwarded-Proto https
  use_backend %[path,field(2,/)]
"""
)


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def in_front(program: Program, folder: Path, template: Template, *command: str) -> AsyncIterator[str]:
    """The proxy, listening; its URL."""
    port = free_port()
    there = program.url.partition("://")[2].partition("/")[0]
    config = folder / "proxy.conf"
    config.write_text(template.substitute(folder=folder, there=there, port=port))
    process = await asyncio.create_subprocess_exec(
        *command, str(config), stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )

    def listens() -> bool:
        assert process.returncode is None, "the proxy has ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        await wait_until(listens, PATIENCE)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@needs_nginx
async def test_behind_nginx(tmp_path: Path) -> None:
    """A stripped prefix, a slash too many, a prefix that is not stripped, and TLS that ends there: all faces are reached, a
    page of the site itself acts and no other, the document says where it stands, and the log knows the client."""
    own = {"Host": "llm.example", "Origin": "https://llm.example", "Sec-Fetch-Site": "same-origin"}
    stranger = {"Host": "llm.example", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    settings = {**TRUSTED, "ep_prefix": "/whole", "allowed_hosts": "llm.example"}
    async with (
        Program(tmp_path, DEMO, **settings) as program,
        in_front(program, tmp_path, _NGINX, str(NGINX), "-p", str(tmp_path), "-c") as url,
    ):
        chats = [
            await request(url, "POST", path + "/v1/chat/completions", CHAT)
            for path in ("/llm", "/sloppy", "/whole")
        ]
        faces = [
            await request(url, "GET", prefix + path)
            for prefix in ("/llm", "/sloppy", "/whole")
            for path in ("/ollama/api/tags", "/anthropic/v1/models", "/gemini/v1beta/models", "/healthz")
        ]
        document = await request(url, "GET", "/llm/openapi.json", headers={"Host": "llm.example"})
        acts = await request(url, "POST", "/llm/v1/chat/completions", CHAT, headers=own)
        foreign = await request(url, "POST", "/llm/v1/chat/completions", CHAT, headers=stranger)
        claims = {"X-Forwarded-For": "203.0.113.9"}
        await request(url, "GET", "/llm/api/version", headers=claims)
        lines = await program.logged("request", 3 + len(faces) - 3 + 4)  # probes are quiet

    assert [(got.status, got.complete) for got in chats] == [(200, True)] * 3
    assert all("one two" in got.text() for got in chats)
    assert [got.status for got in faces] == [200] * len(faces)
    assert document.json()["servers"] == [{"url": "/llm"}]
    assert (acts.status, foreign.status) == (200, 403)
    # nginx appends its own client, which is trusted here, to what that one has claimed.
    assert {line["client"] for line in lines} == {"127.0.0.1", "203.0.113.9"}


@needs_nginx
@pytest.mark.parametrize("allowed", ["", "kept"])
async def test_nginx_names_its_upstream(allowed: str, tmp_path: Path) -> None:
    """The recipe for kept connections sends the name of the upstream as Host: that is refused with the setting's name, until
    it is allowed; then connections are kept."""
    async with (
        Program(tmp_path, DEMO, allowed_hosts=allowed) as program,
        in_front(program, tmp_path, _NGINX, str(NGINX), "-p", str(tmp_path), "-c") as url,
    ):
        got = [await request(url, "GET", "/kept/v1/models") for _ in range(3)]

    assert {answer.status for answer in got} == {200 if allowed else 403}
    assert allowed or "LLM_PROXY_API_ALLOWED_HOSTS" in got[0].json()["error"]["message"]


@needs_haproxy
async def test_haproxys_checks(tmp_path: Path) -> None:
    """Its plain ``option httpchk``, the one of its manual, and those of orchestrators find the gateway; one with a foreign Host
    does not; what it forwards names the client and the scheme."""
    own = {"Host": "localhost", "Origin": "https://localhost"}
    async with (
        Program(tmp_path, DEMO, **TRUSTED) as program,
        in_front(program, tmp_path, _HAPROXY, str(HAPROXY), "-db", "-f") as url,
    ):
        async with Connection(url) as client:
            await eventually(client, "/named", 503)  # it has had time for a check, then
            found = {
                name: (await client.request("GET", f"/{name}/x")).status
                for name in ("plain", "asterisk", "ready", "live")
            }
            acts = await client.request("OPTIONS", "/plain/", headers=own)

        def checked() -> bool:
            checks = (line for line in program.lines("request") if line["method"] == "OPTIONS")
            return any(line["status"] == 204 and line["path"] == "/" for line in checks)

        await wait_until(checked, PATIENCE)  # its plain check has no path, and the log is a moment behind

    assert 503 not in found.values()
    assert acts.status != 403


async def eventually(client: Connection, path: str, status: int) -> Answer:
    """Ask until that is the answer."""
    async with asyncio.timeout(PATIENCE):
        while True:
            got = await client.request("GET", path)
            if got.status == status:
                return got
