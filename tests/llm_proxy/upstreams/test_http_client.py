"""The behaviour that Tornado documents for ``AsyncHTTPClient``, asked of ours, with Tornado's own server as the peer."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from llm_proxy.upstreams.http_client import EncodingError, PooledHTTPClient, RefusedError
from llm_proxy.upstreams.target import USER_AGENT
from tests.support.logs import expect_log
from tests.support.raw_peer import Client, RawPeer, Wire, ok

TEXT = b"planted in clay " * 1000


class Echo(RequestHandler):
    """Says in JSON what it was asked."""

    SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "QUERY")

    def prepare(self) -> None:
        if self.request.method == "HEAD":
            self.finish()
            return
        fields = [[name, value] for name, value in self.request.headers.get_all()]
        body = self.request.body.decode("latin-1")
        self.finish(json.dumps([self.request.method, self.request.uri, fields, body]))


class Status(RequestHandler):
    """/status/CODE?to=LOCATION"""

    def prepare(self) -> None:
        self.set_status(int(self.path_args[0]))
        for to in self.get_query_arguments("to"):
            self.set_header("Location", to)
        self.finish(None if self.get_status() == 304 else b"a page")


class Pieces(RequestHandler):
    """Three flushed pieces."""

    async def get(self) -> None:
        self.set_header("X-Name", "caf\xe9")
        for piece in (b"one", b"two", b"three"):
            self.write(piece)
            await self.flush()


class Zipped(RequestHandler):
    """A gzip body in two halves; "?broken" changes it, "?cut" cuts it, "?bomb" makes it explode."""

    async def get(self) -> None:
        body = gzip.compress(b"\0" * 50_000_000 if self.request.query == "bomb" else TEXT)
        if self.request.query == "broken":
            body = body[:20] + b"broken" + body[26:]
        if self.request.query == "cut":
            body = body[:-9]
        self.set_header("Content-Encoding", "gzip")
        self.write(body[: len(body) // 2])
        await self.flush()
        self.write(body[len(body) // 2 :])


@pytest.fixture
def url(io_loop: IOLoop) -> Iterator[str]:
    """Where the server listens, without a slash at the end."""
    routes: list[Any] = [
        (r"/echo.*", Echo),
        (r"/status/(\d+)", Status),
        ("/pieces", Pieces),
        ("/zip", Zipped),
    ]
    server = HTTPServer(Application(routes, log_function=lambda handler: None))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    server.stop()
    io_loop.run_sync(server.close_all_connections)


class Seen:
    """What ``Echo`` was asked."""

    def __init__(self, body: bytes) -> None:
        self.method, self.uri, fields, self.body = json.loads(body)
        self.headers = HTTPHeaders()
        for name, value in fields:
            self.headers.add(name, value)


async def echo(http: Client, url: str, **options: Any) -> Seen:
    """Fetch with ``options``; what the server saw."""
    return Seen((await http.fetch(url, **options)).body)


# -- responses


async def test_a_response_has_all_documented_fields(url: str) -> None:
    """code, reason, headers, body, buffer, effective_url, request, times: as Tornado documents them."""
    async with Client() as http:
        request = HTTPRequest(f"{url}/status/200")
        response = await http.fetch(request)
    assert (response.code, response.reason, response.error) == (200, "OK", None)
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.body == b"a page"
    assert response.buffer is not None
    assert response.buffer.read() == b"a page"
    assert response.effective_url == request.url
    assert response.request is request
    assert response.start_time is not None
    assert response.request_time is not None
    times = response.time_info
    assert 0 <= times["queue"]
    assert 0 < times["connect"] < times["first_byte"] <= times["total"]
    response.rethrow()


async def test_an_error_status_raises_unless_asked_not_to(url: str) -> None:
    """Statuses outside 2xx raise HTTPClientError with the response; raise_error=False returns it, with ``error`` set."""
    async with Client() as http:
        for code in (304, 302, 404, 500, 503):
            with pytest.raises(HTTPClientError) as caught:
                await http.fetch(f"{url}/status/{code}")
            assert caught.value.code == code
            assert caught.value.response is not None
            response = await http.fetch(f"{url}/status/{code}", raise_error=False)
            assert response.code == code
            assert response.body == (b"" if code == 304 else b"a page")
            with pytest.raises(HTTPClientError):
                response.rethrow()


async def test_raise_error_does_not_hide_other_errors() -> None:
    """``raise_error=False`` is about statuses only: a refused connection is raised, and is Tornado's 599 as well."""
    async with Client() as http:
        with pytest.raises(RefusedError) as caught:
            await http.fetch("http://127.0.0.1:1/", raise_error=False)
        assert isinstance(caught.value, ConnectionRefusedError)
        assert isinstance(caught.value, HTTPClientError)
        assert (caught.value.code, caught.value.response) == (599, None)


async def test_latin_1_in_headers_survives(url: str) -> None:
    """Header values are Latin-1, both ways."""
    async with Client() as http:
        response = await http.fetch(f"{url}/pieces")
        assert response.headers["X-Name"] == "caf\xe9"
        seen = await echo(http, f"{url}/echo", headers={"X-Name": "caf\xe9"})
        assert seen.headers["X-Name"] == "caf\xe9"


# -- requests


async def test_default_headers(url: str) -> None:
    """Host, a user agent, and identity as the only acceptable encoding; nothing else."""
    async with Client() as http:
        seen = await echo(http, f"{url}/echo")
    assert dict(seen.headers.get_all()) == {
        "Host": url.removeprefix("http://"),
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
    }


async def test_headers_of_the_caller(url: str) -> None:
    """The caller's headers win, repeated ones are repeated, and the caller's object is not changed."""
    headers = HTTPHeaders({"Host": "other.test", "User-Agent": "mine", "Accept-Encoding": "br"})
    headers.add("X-Twice", "a")
    headers.add("X-Twice", "b")
    before = list(headers.get_all())
    async with Client() as http:
        seen = await echo(http, f"{url}/echo", headers=headers)
        assert seen.headers.get_list("X-Twice") == ["a", "b"]
        assert (seen.headers["Host"], seen.headers["User-Agent"]) == ("other.test", "mine")
        assert seen.headers["Accept-Encoding"] == "br"
        assert list(headers.get_all()) == before
        seen = await echo(http, f"{url}/echo", headers={"User-Agent": "mine"}, user_agent="argument")
        assert seen.headers["User-Agent"] == "argument"


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "a\0b"}, {"X Y": "a"}, {"X:": "a"}, {"": "a"}, {"X": "\u20ac"}],
)
async def test_headers_that_cannot_be_sent(url: str, headers: dict[str, str]) -> None:
    """CR, LF, NUL, characters outside Latin-1 and bad names are a ValueError; nothing is sent."""
    async with Client() as http:
        with pytest.raises(ValueError):  # noqa: PT011 - Tornado's words or ours, depending on who sees it first
            await http.fetch(f"{url}/echo", headers=headers)
        assert http.pool.idle == 0


@pytest.mark.parametrize(
    "bad",
    ["", "/path", "ftp://h/", "http://", "http:///x", "http://h/a b", "http://h/\r\nX: y", "http://h/\0", "http://h/\u20ac", "http://h:99999/", "http://h:x/"],
)  # fmt: skip
async def test_urls_that_cannot_be_fetched(bad: str) -> None:
    """A URL that would have to be guessed at or escaped is a ValueError."""
    async with Client() as http:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - whatever it says, it must not quote the URL
            await http.fetch(bad)
        assert not isinstance(caught.value, OSError)


async def test_what_becomes_of_a_url(url: str) -> None:
    """The query is sent, the fragment is not, an empty path is a slash, escapes are left alone."""
    async with Client() as http:
        assert (await echo(http, f"{url}/echo?a=b%20c&d#frag")).uri == "/echo?a=b%20c&d"
        assert (await echo(http, f"{url}/echo/a%2Fb")).uri == "/echo/a%2Fb"
        with pytest.raises(HTTPClientError, match="404"):
            await http.fetch(url)
        with pytest.raises(HTTPClientError, match="404"):
            await http.fetch(f"{url}?x")


async def test_bodies(url: str) -> None:
    """Bytes are sent as they are, text as UTF-8; POST without a type is a form, as in Tornado."""
    async with Client() as http:
        seen = await echo(http, f"{url}/echo", method="POST", body=bytes(range(256)))
        assert seen.body.encode("latin-1") == bytes(range(256))
        assert seen.headers["Content-Length"] == "256"
        assert seen.headers["Content-Type"] == "application/x-www-form-urlencoded"
        seen = await echo(http, f"{url}/echo", method="PUT", body="\u20ac", headers={"Content-Type": "x/y"})
        assert seen.body.encode("latin-1") == "\u20ac".encode()
        assert seen.headers["Content-Type"] == "x/y"
        assert (await echo(http, f"{url}/echo", method="PATCH", body=b"")).headers["Content-Length"] == "0"


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "HEAD"])
async def test_methods_without_a_body(url: str, method: str) -> None:
    """GET and its like are sent without a body; with one they are refused, unless nonstandard methods are allowed."""
    async with Client() as http:
        response = await http.fetch(f"{url}/echo", method=method)
        assert (response.body == b"") is (method == "HEAD")
        with pytest.raises(ValueError, match="must be None"):
            await http.fetch(f"{url}/echo", method=method, body=b"x")
        response = await http.fetch(f"{url}/echo", method=method, body=b"x", allow_nonstandard_methods=True)
        assert response.code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_methods_with_a_body(url: str, method: str) -> None:
    """POST and its like need one, unless nonstandard methods are allowed; then the length is 0."""
    async with Client() as http:
        with pytest.raises(ValueError, match="must not be None"):
            await http.fetch(f"{url}/echo", method=method)
        seen = await echo(http, f"{url}/echo", method=method, allow_nonstandard_methods=True)
        assert (seen.method, seen.headers["Content-Length"]) == (method, "0")


async def test_other_methods(url: str) -> None:
    """An unknown method is a KeyError, unless allowed; one that is no token never is."""
    async with Client() as http:
        with pytest.raises(KeyError):
            await http.fetch(f"{url}/echo", method="QUERY")
        seen = await echo(http, f"{url}/echo", method="QUERY", body=b"x", allow_nonstandard_methods=True)
        assert (seen.method, seen.body) == ("QUERY", "x")
        with pytest.raises(ValueError, match="token"):
            await http.fetch(f"{url}/echo", method="GET /x", allow_nonstandard_methods=True)


async def test_framing_headers_are_ours(url: str) -> None:
    """A caller's Transfer-Encoding and Content-Length never contradict what is sent."""
    async with Client() as http:
        headers = {"Transfer-Encoding": "chunked", "Content-Length": "99"}
        seen = await echo(http, f"{url}/echo", method="POST", body=b"abc", headers=headers)
        assert (seen.body, seen.headers["Content-Length"]) == ("abc", "3")
        assert "Transfer-Encoding" not in seen.headers
        with pytest.raises(ValueError, match="without a body"):
            await http.fetch(f"{url}/echo", headers={"Content-Length": "99"})


async def test_basic_auth(url: str) -> None:
    """User and password as arguments or in the URL, also beyond ASCII; other modes are a ValueError."""
    async with Client() as http:
        user = {"auth_username": "Aladdin", "auth_password": "open sesame"}
        for options in (user, {**user, "auth_mode": "basic"}):
            seen = await echo(http, f"{url}/echo", **options)
            assert seen.headers["Authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        in_url = url.replace("//", "//Aladdin:open%20sesame@")
        seen = await echo(http, f"{in_url}/echo", headers={"Authorization": "other"})
        assert seen.headers.get_list("Authorization") == ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
        seen = await echo(http, f"{url}/echo", auth_username="j\xf6rg", auth_password="\u20ac")
        assert seen.headers["Authorization"] == "Basic asO2cmc64oKs"
        with pytest.raises(ValueError, match="auth_mode"):
            await http.fetch(f"{url}/echo", auth_username="a", auth_mode="digest")


async def test_if_modified_since(url: str) -> None:
    """A date becomes the header."""
    when = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    async with Client() as http:
        seen = await echo(http, f"{url}/echo", if_modified_since=when)
    assert seen.headers["If-Modified-Since"] == "Wed, 02 Jan 2030 03:04:05 GMT"


async def test_network_interface(url: str) -> None:
    """A source address is used; anything else is a ValueError."""
    async with Client() as http:
        await http.fetch(f"{url}/echo", network_interface="127.0.0.1")
        with pytest.raises(ValueError, match="network_interface"):
            await http.fetch(f"{url}/echo", network_interface="eth0")


async def test_a_request_object_and_its_defaults(url: str) -> None:
    """``defaults`` fill in what a request leaves open; keyword arguments and a request object exclude each other."""
    async with Client(defaults={"user_agent": "from defaults"}) as http:
        seen = Seen((await http.fetch(HTTPRequest(f"{url}/echo"))).body)
        assert seen.headers["User-Agent"] == "from defaults"
        with pytest.raises(ValueError, match="kwargs"):
            await http.fetch(HTTPRequest(f"{url}/echo"), method="POST")


async def test_configure(url: str) -> None:
    """``AsyncHTTPClient.configure`` by name makes ours the default, one for each loop."""
    AsyncHTTPClient.configure("llm_proxy.upstreams.http_client.PooledHTTPClient", max_body_size=10)
    try:
        http = AsyncHTTPClient()
        assert isinstance(http, PooledHTTPClient)
        assert AsyncHTTPClient() is http
        assert (await http.fetch(f"{url}/status/200")).body == b"a page"
        with pytest.raises(HTTPClientError, match="max_body_size"):
            await http.fetch(f"{url}/echo")
        http.close()
    finally:
        AsyncHTTPClient.configure(None)


def test_the_blocking_client() -> None:
    """Tornado's ``HTTPClient`` works on ours."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener.accept()[0] as connection:
            connection.recv(2000)
            connection.sendall(ok(b"blocking"))

    thread = threading.Thread(target=serve)
    thread.start()
    http = HTTPClient(async_client_class=PooledHTTPClient)
    assert http.fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/").body == b"blocking"
    http.close()
    thread.join()
    listener.close()


# -- callbacks and producers


async def test_callbacks(url: str) -> None:
    """header_callback gets status line, fields and an empty line, before streaming_callback gets the body; the final
    response has neither headers nor body."""
    calls: list[str | bytes] = []
    async with Client() as http:
        response = await http.fetch(
            f"{url}/pieces", header_callback=calls.append, streaming_callback=calls.append
        )
    lines = [call for call in calls if isinstance(call, str)]
    assert calls[: len(lines)] == lines
    assert (lines[0], lines[-1]) == ("HTTP/1.1 200 OK\r\n", "\r\n")
    assert all(": " in line and line.endswith("\r\n") for line in lines[1:-1])
    assert b"".join(call for call in calls if isinstance(call, bytes)) == b"onetwothree"
    assert (response.body, list(response.headers)) == (b"", [])


async def test_a_coroutine_callback_is_awaited_before_the_next(url: str) -> None:
    """No second call while the first one runs, and none is running when fetch returns."""
    running = 0
    got: list[bytes] = []

    async def receive(data: bytes) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.005)
        got.append(data)
        running -= 1

    async with Client() as http:
        await http.fetch(f"{url}/pieces", streaming_callback=receive)
    assert (b"".join(got), running) == (b"onetwothree", 0)


async def test_an_error_body_goes_to_the_callback(url: str) -> None:
    """With a streaming_callback the body of an error status is streamed as well."""
    got: list[bytes] = []
    async with Client() as http:
        response = await http.fetch(f"{url}/status/500", raise_error=False, streaming_callback=got.append)
    assert (response.code, response.body, got) == (500, b"", [b"a page"])


Write = Callable[[bytes], Awaitable[None]]


def sync_producer(write: Write) -> Awaitable[None]:
    return write(b"made while sent")


async def async_producer(write: Write) -> None:
    await write(b"made ")
    await asyncio.sleep(0)
    await write(b"")
    await write(b"while sent")


@pytest.mark.parametrize("producer", [sync_producer, async_producer])
async def test_body_producer(url: str, producer: Any) -> None:
    """A produced body is chunked, or has the length that the caller declares."""
    async with Client() as http:
        seen = await echo(http, f"{url}/echo", method="POST", body_producer=producer)
        assert (seen.body, seen.headers["Transfer-Encoding"]) == ("made while sent", "chunked")
        headers = {"Content-Length": "15"}
        seen = await echo(http, f"{url}/echo", method="PUT", body_producer=producer, headers=headers)
        assert seen.body == "made while sent"
        assert "Transfer-Encoding" not in seen.headers
        assert http.pool.idle == 1


@pytest.mark.parametrize("length", ["14", "16", "x"])
async def test_a_producer_that_breaks_its_promise(url: str, length: str) -> None:
    """Fewer or more bytes than declared is an error, and so is a length that is none."""
    with expect_log("tornado", "Malformed|closed", required=False):
        async with Client() as http:
            with pytest.raises(Exception, match="Content-Length"):
                await http.fetch(
                    f"{url}/echo",
                    method="POST",
                    body_producer=async_producer,
                    headers={"Content-Length": length},
                )


async def test_a_producer_that_raises(url: str) -> None:
    """What the producer raises is raised by the fetch."""

    async def fail(write: Write) -> None:
        await write(b"x")
        raise LookupError("no more")

    async with Client() as http:
        with pytest.raises(LookupError):
            await http.fetch(f"{url}/echo", method="POST", body_producer=fail)
        with pytest.raises(ValueError, match="exclude"):
            await http.fetch(f"{url}/echo", method="POST", body=b"", body_producer=fail)


async def test_expect_100_continue() -> None:
    """The body waits for an informational 100; a server that answers at once never gets it."""
    seen: list[bytes] = []

    async def consent(wire: Wire) -> None:
        seen.append(await wire.exchange(b"HTTP/1.1 100 Continue\r\n\r\n"))
        seen.append(await wire.reader.readexactly(4))
        await wire.send(ok(b"thanks"))
        await wire.closed()

    async def decline(wire: Wire) -> None:
        await wire.exchange(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        seen.append(await wire.closed())

    async with RawPeer(consent) as one, RawPeer(decline) as two, Client() as http:
        response = await http.fetch(one.url, method="PUT", body=b"body", expect_100_continue=True)
        assert response.body == b"thanks"
        assert b"\r\nExpect: 100-continue\r\n" in seen[0]
        assert http.pool.idle == 1
        response = await http.fetch(
            two.url, method="PUT", body=b"body", expect_100_continue=True, raise_error=False
        )
        assert response.code == 417
        await two.left()
        assert seen[1:] == [b"body", b""]
        assert http.pool.idle == 1  # a request that was not sent to its end leaves no connection behind


# -- compression


async def test_compression_is_not_asked_for(url: str) -> None:
    """By default a compressed body is passed on as it is, with its header."""
    async with Client() as http:
        response = await http.fetch(f"{url}/zip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.body) == TEXT


async def test_compression_on_request(url: str) -> None:
    """With decompress_response gzip is asked for, decoded as it arrives, and its header renamed as Tornado does it."""
    async with Client() as http:
        seen = await echo(http, f"{url}/echo", decompress_response=True)
        assert seen.headers["Accept-Encoding"] == "gzip"
        response = await http.fetch(f"{url}/zip", decompress_response=True)
        assert response.body == TEXT
        assert "Content-Encoding" not in response.headers
        assert response.headers["X-Consumed-Content-Encoding"] == "gzip"
        got: list[bytes] = []
        await http.fetch(f"{url}/zip", decompress_response=True, streaming_callback=got.append)
        assert b"".join(got) == TEXT


@pytest.mark.parametrize("fault", ["broken", "cut", "bomb"])
async def test_compression_gone_wrong(url: str, fault: str) -> None:
    """A broken, cut or exploding gzip body is an error, never a short answer."""
    got = 0

    def count(data: bytes) -> None:
        nonlocal got
        got += len(data)

    with expect_log("", "", required=False):  # the server finds its client gone
        async with Client() as http:
            with pytest.raises(EncodingError) as caught:
                await http.fetch(f"{url}/zip?{fault}", decompress_response=True, streaming_callback=count)
            assert (caught.value.phase, caught.value.kind) == ("body", "encoding")
    assert got < 2_000_000


# -- redirects


async def test_redirects_are_not_followed_by_default(url: str) -> None:
    """Our default differs from Tornado's: a redirect is an answer like any other."""
    async with Client() as http:
        response = await http.fetch(f"{url}/status/302?to=/echo", raise_error=False)
        assert (response.code, response.headers["Location"]) == (302, "/echo")


@pytest.mark.parametrize(
    ("code", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (301, "PUT", "PUT"),
        (302, "GET", "GET"),
        (303, "HEAD", "HEAD"),
    ],
)
async def test_redirects_on_request(url: str, code: int, method: str, then: str) -> None:
    """Followed when asked to, with the method that Tornado would use; a GET has no body and no headers about one."""
    body = b"x" if method in ("POST", "PUT") else None
    async with Client() as http:
        response = await http.fetch(
            f"{url}/status/{code}?to=/echo?a",
            method=method,
            body=body,
            headers={"Authorization": "k", "X-Other": "y"},
            follow_redirects=True,
        )
        assert response.effective_url == f"{url}/echo?a"
        if then == "HEAD":
            return
        seen = Seen(response.body)
        assert (seen.method, seen.uri, seen.headers["X-Other"]) == (then, "/echo?a", "y")
        assert seen.headers["Authorization"] == "k"  # the same origin
        assert ("Content-Type" in seen.headers, seen.body) == ((then == "POST"), "x" if then != "GET" else "")


async def test_redirects_are_bounded(url: str) -> None:
    """After max_redirects the redirect itself is the answer, and so is one without a Location."""
    to = f"{url}/status/302?to=/status/302?to=/status/302?to=/echo"
    async with Client() as http:
        response = await http.fetch(to, follow_redirects=True, max_redirects=2, raise_error=False)
        assert response.code == 302
        response = await http.fetch(f"{url}/status/302", follow_redirects=True, raise_error=False)
        assert response.code == 302
        with pytest.raises(ValueError, match="scheme"):
            await http.fetch(f"{url}/status/302?to=ftp://x/", follow_redirects=True)


async def test_a_redirect_elsewhere_gets_no_credentials(url: str) -> None:
    """Another port is another origin: neither keys nor cookies nor a user in the Location go there."""
    keys = {
        "Authorization": "k",
        "Cookie": "k",
        "X-Api-Key": "k",
        "Api-Key": "k",
        "X-Goog-Api-Key": "k",
        "X-Other": "y",
    }
    elsewhere = url.replace("127.0.0.1", "u:p@localhost") + "/echo"
    async with Client() as http:
        seen = await echo(
            http, f"{url}/status/302?to={elsewhere}", headers=keys, follow_redirects=True, auth_username="me"
        )
    assert seen.headers["Host"].startswith("localhost:")
    assert seen.headers["X-Other"] == "y"
    assert not {"Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"} & set(seen.headers)


async def test_callbacks_do_not_see_a_redirect_that_is_followed(url: str) -> None:
    """Head and body of the redirect are dropped."""
    calls: list[Any] = []
    async with Client() as http:
        await http.fetch(
            f"{url}/status/302?to=/pieces",
            follow_redirects=True,
            header_callback=calls.append,
            streaming_callback=calls.append,
        )
    assert calls[0] == "HTTP/1.1 200 OK\r\n"
    assert b"".join(call for call in calls if isinstance(call, bytes)) == b"onetwothree"
