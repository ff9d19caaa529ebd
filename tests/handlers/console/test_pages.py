"""What the other pages of the console ask for: files, requests that have ended, models, prompts, keys and money."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from handlers.console import files
from tests.handlers.console.kit import PAGE, ask, gateway
from tests.handlers.kit import COMPLETION, EVENTS, MESSAGES, WHOLE, config
from tests.support.access_kit import bearer, row, write_access
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.peer import Peer
from tests.support.scripts import answer, answer_json, in_turn, sse, stream
from tests.support.secrets import ANSWER, CLIENT_KEY, PROMPT, QUERY_KEY, UPSTREAM_KEY, assert_no_secret

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page of the test's own."""
    found = tmp_path / "page"
    (found / "vendor").mkdir(parents=True)
    (found / "console.html").write_text("<!DOCTYPE html>" + "<p>the page</p>" * 50)
    (found / "app.js").write_text("let a = 1;\n" * 100)
    (found / "vendor" / "chart.js").write_text("x")
    (found / "notes.md").write_text("hidden")
    (found / ".secret.js").write_text("hidden")
    monkeypatch.setattr(files, "FOLDER", found)
    return found


async def test_files_are_served_from_memory(folder: Path, tmp_path: Path) -> None:
    """Compressed for who takes that, with a tag, and a policy that lets them do nothing elsewhere."""
    real = (Path(files.__file__).parent / "files" / "console.html").read_bytes()
    async with gateway(tmp_path, NOWHERE) as proxy:
        page = await request(proxy.origin, "GET", "/console")
        packed = await request(
            proxy.origin, "GET", "/console/app.js", headers={"Accept-Encoding": "br, gzip"}
        )
        plain = await request(proxy.origin, "GET", "/console/app.js", headers={"Accept-Encoding": "gzip;q=0"})
        same = await request(
            proxy.origin, "GET", "/console/app.js", headers={"If-None-Match": plain.headers["etag"]}
        )
        head = await request(proxy.origin, "HEAD", "/console/vendor/chart.js")
        linked = await request(
            proxy.origin,
            "GET",
            "/console",
            headers={
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            },
        )
        none = [
            (await request(proxy.origin, "GET", f"/console/{name}")).status
            for name in (
                "notes.md",
                ".secret.js",
                "none.js",
                "../files.py",
                "%2e%2e/files.py",
                "vendor",
                "api/none",
            )
        ]

    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    # A session by plain HTTP from elsewhere is known by the Referer.
    assert (page.headers["referrer-policy"], b"no-referrer" in real) == ("same-origin", False)
    # A browser begins another process for it, which takes as long as all the rest; elsewhere by plain HTTP it complains.
    assert "cross-origin-opener-policy" not in page.headers
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(packed.body) == plain.body == (folder / "app.js").read_bytes()
    assert "content-encoding" not in plain.headers
    assert packed.headers["etag"] != plain.headers["etag"]
    assert (same.status, same.body, head.status, head.headers["content-length"]) == (304, b"", 200, "1")
    assert linked.status == 200
    assert none == [404] * 7


async def test_what_the_package_holds_is_served(tmp_path: Path) -> None:
    """Every file of it, each of a known kind, and small."""
    names = [path for path in files.FOLDER.rglob("*") if path.is_file()]
    async with gateway(tmp_path, NOWHERE) as proxy:
        for path in names:
            got = await request(proxy.origin, "GET", f"/console/{path.relative_to(files.FOLDER).as_posix()}")
            body = path.read_bytes()
            if path.name == "console.html":
                body = body.replace(
                    b' src="console/theme.js">', b">" + (files.FOLDER / "theme.js").read_bytes()
                )
            assert (got.status, got.body) == (200, body), path


async def test_what_runs_before_the_first_paint_stands_in_the_page(tmp_path: Path) -> None:
    """No request holds up the paint but that for the styles: the one script that comes first is in the page, before the styles (it
    would wait for them), allowed by its hash, and by that alone."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        page = await request(proxy.origin, "GET", "/console")
        script = await request(proxy.origin, "GET", "/console/theme.js")

    head, _, rest = page.body.decode().partition("<script>")
    inside, _, _ = rest.partition("</script>")
    digest = b64encode(sha256(inside.encode()).digest()).decode()
    assert inside == (files.FOLDER / "theme.js").read_text("utf-8")
    assert "stylesheet" not in head
    assert re.findall(r"<script src=[^>]*>", rest) == ['<script src="console/app.js" type="module">']
    assert f"script-src 'self' 'sha256-{digest}';" in page.headers["content-security-policy"]
    assert "script-src 'self';" in script.headers["content-security-policy"]


async def test_requests_that_have_ended(tmp_path: Path) -> None:
    """Newest first, page by page and by filter; one of them with the head of its answer, of which nothing is a secret."""
    script = in_turn(
        answer_json(COMPLETION),
        stream(*sse(*EVENTS)),
        answer_json({"error": {"message": ANSWER}}, 500, {"Set-Cookie": UPSTREAM_KEY}),
        answer_json(COMPLETION),
    )
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
        headers = {"Authorization": f"Bearer {CLIENT_KEY}"}
        for number, body in enumerate(
            (WHOLE, WHOLE | {"stream": True, "stream_options": {"include_usage": True}}, WHOLE)
        ):
            await request(
                proxy.origin,
                "POST",
                f"/v1/chat/completions?key={QUERY_KEY}",
                body,
                headers={**headers, "X-Request-Id": f"r{number}"},
            )
        await request(
            proxy.url, "POST", "/passthrough/peer/chat/completions", WHOLE, headers={"X-Request-Id": "r3"}
        )
        await request(proxy.origin, "GET", "/v1/models")
        everything = await ask(proxy.origin, "/console/api/requests")
        first = await ask(proxy.origin, "/console/api/requests?limit=3")
        second = await ask(proxy.origin, f"/console/api/requests?limit=3&before={first['next']}")
        errors = await ask(proxy.origin, "/console/api/requests?status=error")
        models = await ask(proxy.origin, "/console/api/requests?model=m&status=ok")
        one = await ask(proxy.origin, "/console/api/requests/r1")
        failed = await ask(proxy.origin, "/console/api/requests/r2")
        wrong = [
            (await request(proxy.origin, "GET", f"/console/api/requests{path}", headers=PAGE)).status
            for path in (
                "?limit=0",
                "?limit=x",
                "?limit=501",
                f"?limit=000000001{'7' * 5000}",
                "?before=x",
                "/none",
            )
        ]

    names = [one["request_id"] for one in everything["rows"]]
    assert (names, everything["next"], everything["source"]) == (["r3", "r2", "r1", "r0"], None, "memory")
    assert [one["request_id"] for one in first["rows"] + second["rows"]] == names
    assert second["next"] is None
    assert [one["request_id"] for one in errors["rows"]] == ["r2"]
    assert [one["request_id"] for one in models["rows"]] == ["r1", "r0"]
    assert (one["stream"], one["prompt_tokens"], one["completion_tokens"], one["face"]) == (
        True,
        3,
        2,
        "openai",
    )
    assert one["headers"]["X-Llm-Provider"] == "peer"
    assert one["tries"][0]["provider"] == "peer"
    assert (failed["status"], failed["code"]) == (502, "upstream_error")
    assert "Set-Cookie" not in failed["headers"]
    assert wrong == [400, 400, 400, 400, 400, 404]
    for told in (everything, one, failed):
        assert_no_secret(json.dumps(told), (UPSTREAM_KEY, CLIENT_KEY, QUERY_KEY, PROMPT))


async def test_with_a_database_as_far_back_as_it_goes(tmp_path: Path) -> None:
    """After a restart too; no request is told twice, none is lost."""
    access = write_access(
        tmp_path, {"keys": {"root": row("root", admin="write")}, "prices": {"m": {"input": 1, "output": 1}}}
    )
    settings = {"access": access, "state": tmp_path / "state"}
    seen: dict[int, list[str]] = {}
    async with Peer(answer_json(COMPLETION)) as peer:
        for part in range(2):
            async with gateway(tmp_path, peer.url, **settings) as proxy:
                for number in range(3):
                    headers = {**bearer("root"), "X-Request-Id": f"{part}-{number}"}
                    await request(proxy.origin, "POST", "/v1/chat/completions", WHOLE, headers=headers)
                sources = set()
                for limit in (2, 3):  # the second: what memory has ends where a page does
                    cursor: str | None = ""
                    seen[limit] = []
                    while cursor is not None:
                        page = await ask(
                            proxy.origin,
                            f"/console/api/requests?limit={limit}{cursor}",
                            headers=bearer("root"),
                        )
                        seen[limit] += [one["request_id"] for one in page["rows"]]
                        sources |= {one["source"] for one in page["rows"]}
                        cursor = f"&before={page['next']}" if page["next"] is not None else None
                old = await ask(proxy.origin, "/console/api/requests/0-0", headers=bearer("root"))
                keyed = await ask(
                    proxy.origin, "/console/api/requests?key=root&status=200", headers=bearer("root")
                )
                none = await ask(proxy.origin, "/console/api/requests?key=nobody", headers=bearer("root"))

    assert seen[2] == seen[3] == ["1-2", "1-1", "1-0", "0-2", "0-1", "0-0"]
    assert sources == {"memory", "usage"}
    assert (old["source"], old["prompt_tokens"], old["completion_tokens"], old["key"]) == (
        "usage",
        3,
        2,
        "root",
    )
    assert old["micro_usd"] == 5
    assert (len(keyed["rows"]), none["rows"]) == (6, [])


async def test_models_and_how_they_stand(tmp_path: Path) -> None:
    """Each deployment with what was seen of it lately, its last error in words, and what an Ollama holds in memory."""
    held = {
        "models": [
            {
                "name": "qwen3:8b",
                "model": "qwen3:8b",
                "size": 10,
                "size_vram": 7,
                "expires_at": "2026-11-27T00:00:00Z",
            }
        ]
    }
    async with Peer(stream(*sse(*EVENTS))) as peer, Peer(answer_json(held)) as ollama:
        models = {
            **config(peer.url),
            "ollama": {
                "defaults": {"api_host": ollama.url},
                "qwen3": {"model": "qwen3:8b"},
                "other": {"active": False},
            },
            "dead": {
                "defaults": {"api_type": "openai", "api_host": NOWHERE + "/v1", "api_token": UPSTREAM_KEY},
                "d": {"weight": 2},
            },
            "$models": {"d": {"fallbacks": ["m"]}, "nick": {"alias": "m"}},
        }
        async with RunningGateway(tmp_path, models) as proxy:
            await request(proxy.origin, "POST", "/v1/chat/completions", WHOLE | {"stream": True})
            await request(
                proxy.origin, "POST", "/v1/chat/completions", WHOLE | {"model": "d", "stream": True}
            )
            told = await ask(proxy.origin, "/console/api/models")
            one = await ask(proxy.origin, "/console/api/models?search=QWEN&limit=1")
            paged = await ask(proxy.origin, "/console/api/models?limit=3")
            rest = await ask(proxy.origin, f"/console/api/models?limit=3&after={paged['next']}")
            wrong = await request(proxy.origin, "GET", "/console/api/models?state=well", headers=PAGE)
            status = await ask(proxy.origin, "/api/status/models")

    rows = {one["name"]: one for one in told["rows"]}
    assert rows["m"]["first_token_ms"]["p50"] > 0
    assert (rows["m"]["state"], rows["m"]["last_error"], rows["other"]["state"]) == ("ok", None, "out")
    assert rows["d"]["last_error"]["code"] == "refused"
    assert "no connection" in rows["d"]["last_error"]["message"]
    assert rows["qwen3"]["memory"] == {
        "loaded": True,
        "size": 10,
        "vram": 7,
        "expires_at": "2026-11-27T00:00:00Z",
    }
    assert rows["m"]["memory"] is None
    names = {one["name"]: one for one in told["names"]}
    assert (names["nick"]["kind"], names["nick"]["alias_of"], names["d"]["fallbacks"]) == (
        "alias",
        "m",
        ["m"],
    )
    assert told["states"] == {"ok": 3, "ejected": 0, "asleep": 0, "full": 0, "out": 1}
    assert ([row["name"] for row in one["rows"]], one["matching"], one["total"]) == (["qwen3"], 1, 4)
    assert len(paged["rows"]) + len(rest["rows"]) == 4
    assert rest["next"] is None
    assert wrong.status == 400
    assert [row["provider"] for row in told["rows"]] == [row["provider"] for row in status["models"]]
    assert_no_secret(json.dumps(told), (UPSTREAM_KEY,))


async def test_an_ollama_that_says_nothing_sensible(tmp_path: Path) -> None:
    """Is one of which nothing is known."""
    async with Peer(answer(b"[1, 2", content_type="application/json")) as ollama:
        models = {"ollama": {"defaults": {"api_host": ollama.url}, "qwen3": {}}}
        async with RunningGateway(tmp_path, models) as proxy:
            told = await ask(proxy.origin, "/console/api/models")

    assert told["rows"][0]["memory"] is None


async def test_prompts_and_what_changed_in_them(tmp_path: Path) -> None:
    """The text of each version, and line by line what makes the difference."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        before = await ask(proxy.origin, "/console/api/prompts/tone?language=en")
        proxy.write_prompt("en/tone.prompt", "Write in a {{ tone }} tone.\nAnd be brief.")
        await proxy.service.registry.reload("signal")
        after = await ask(proxy.origin, "/console/api/prompts/tone?language=en")
        old = await ask(proxy.origin, f"/console/api/prompts/tone?ref={before['ref']}")
        diff = await ask(
            proxy.origin, f"/console/api/prompts/tone/diff?from={before['ref']}&to={after['ref']}"
        )
        none = await request(proxy.origin, "GET", "/console/api/prompts/nothing", headers=PAGE)

    assert (before["text"], before["slots"]) == ("Write in a {{ tone }} tone.", ["tone"])
    assert (after["text"].split("\n")[1], old["text"]) == ("And be brief.", before["text"])
    assert diff["lines"] == [
        {"op": " ", "text": "Write in a {{ tone }} tone."},
        {"op": "+", "text": "And be brief."},
    ]
    assert none.status == 404


async def test_keys_and_money(tmp_path: Path) -> None:
    """Each budget with its use and a forecast; the figures are those of ``/keys`` and ``/usage``."""
    document: dict[str, Any] = {
        "keys": {
            "root": row("root", admin="read"),
            "alice": row("alice", team="t", budgets=["own", "=shared"]),
        },
        "teams": {"t": {}},
        "budgets": {
            "own": {"usd": 10, "per": "30d", "scope": "each"},
            "=shared": {"usd": 100, "per": "month"},
        },
        "prices": {"m": {"input": 1_000_000, "output": 500_000}},
    }
    access = write_access(tmp_path, document)
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url, access=access) as proxy:
        body = WHOLE | {"max_tokens": 1}
        assert (
            await request(proxy.origin, "POST", "/v1/chat/completions", body, headers=bearer("alice"))
        ).status == 200
        told = await ask(proxy.origin, "/console/api/money", headers=bearer("root"))
        keys = await ask(proxy.origin, "/api/keys", headers=bearer("root"))
        usage = await ask(proxy.origin, "/api/usage?by=key,team,model", headers=bearer("root"))
        table = await request(proxy.origin, "GET", "/console/api/usage.csv?by=key", headers=bearer("root"))
        wrong = await request(proxy.origin, "GET", "/console/api/usage.csv?by=x", headers=bearer("root"))

    budgets = {one["name"]: one for one in told["budgets"]}
    assert (budgets["own"]["of"], budgets["own"]["used"], budgets["own"]["share"]) == ("alice", 4.0, 0.4)
    assert (budgets["=shared"]["of"], budgets["=shared"]["used"], budgets["=shared"]["limit"]) == (
        None,
        4.0,
        100.0,
    )
    assert budgets["=shared"]["forecast"] is None or budgets["=shared"]["forecast"] >= 4.0
    (mine,) = [key for key in keys["keys"] if key["name"] == "alice"]
    assert {one["name"]: one["used"] for one in mine["budgets"]} == {"own": 4.0, "=shared": 4.0}
    assert {key["name"] for key in told["keys"]} == {"root", "alice"}
    assert told["usage"]["rows"] == usage["rows"]
    assert (told["days"][0]["requests"], told["days"][0]["micro_usd"]) == (1, 4_000_000)
    assert (told["kept"], told["has_keys"]) == ("memory", True)
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert next(csv.DictReader(io.StringIO(table.body.decode())))["micro_usd"] == "4000000"
    assert wrong.status == 400


async def test_without_keys_money_is_what_was_used(tmp_path: Path) -> None:
    """Of the last requests, by model."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        for _ in range(3):
            await request(proxy.origin, "POST", "/v1/chat/completions", WHOLE)
        told = await ask(proxy.origin, "/console/api/money")

    (used,) = told["usage"]["rows"]
    assert (used["model"], used["requests"], used["input"], used["output"]) == ("m", 3, 9, 6)
    assert (told["has_keys"], told["keys"], told["budgets"]) == (False, [], [])


def test_a_cell_is_no_formula() -> None:
    """A spreadsheet would run it."""
    from handlers.console.money import table

    assert table(["model"], [{"model": "=1+1"}, {"model": "m"}]) == b"model\r\n'=1+1\r\nm\r\n"


async def test_the_numbers_are_those_of_the_others(tmp_path: Path) -> None:
    """After a mixed load the console counts what ``/metrics``, ``/status`` and the ledger count."""
    access = write_access(
        tmp_path,
        {
            "keys": {"root": row("root", admin="write"), "alice": row("alice")},
            "prices": {"m": {"input": 2, "output": 3}},
        },
    )
    refused = answer_json({"error": {"message": "busy"}}, 500)
    script = in_turn(*[answer_json(COMPLETION), stream(*sse(*EVENTS)), refused, answer_json(COMPLETION)] * 3)
    async with Peer(script) as peer, gateway(tmp_path, peer.url, access=access) as proxy:
        for number in range(12):
            body: dict[str, Any] = dict(WHOLE)
            path = "/v1/chat/completions"
            if number % 4 == 1:
                body |= {"stream": True, "stream_options": {"include_usage": True}}
            if number % 4 == 3:
                path, body = "/v1/messages", {"model": "m", "max_tokens": 5, "messages": MESSAGES}
            await request(proxy.origin, "POST", path, body, headers=bearer("alice"))
        await request(
            proxy.origin, "POST", "/v1/chat/completions", WHOLE | {"model": "none"}, headers=bearer("alice")
        )
        rows = (await ask(proxy.origin, "/console/api/requests", headers=bearer("root")))["rows"]
        proxy.service.gateway.console.activity.history.piece(0)  # type: ignore[union-attr]
        metrics = (await request(proxy.origin, "GET", "/metrics", headers=bearer("root"))).body.decode()
        usage = (await ask(proxy.origin, "/api/usage?by=model", headers=bearer("root")))["rows"]
        money = await ask(proxy.origin, "/console/api/money", headers=bearer("root"))
        status = await ask(proxy.origin, "/api/status", headers=bearer("root"))
        pieces = proxy.service.gateway.console.activity.history._pieces.values()  # type: ignore[union-attr]

    def counted(start: str) -> float:
        return sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(start))

    assert len(rows) == counted("llm_proxy_requests_total{") == 13
    failed = [one for one in rows if one["status"] == 502]
    assert (
        len(failed)
        == counted('llm_proxy_requests_total{face="openai",model="m",provider="peer",code="502"}')
        == 3
    )
    read = sum(one["prompt_tokens"] or 0 for one in rows)
    wrote = sum(one["completion_tokens"] or 0 for one in rows)
    assert read == counted('llm_proxy_tokens_total{model="m",provider="peer",type="input"}') == 27
    assert wrote == counted('llm_proxy_tokens_total{model="m",provider="peer",type="output"}') == 18
    assert (read, wrote) == (sum(one["input"] for one in pieces), sum(one["output"] for one in pieces))
    assert sum(one["requests"] for one in pieces) == 13
    assert (usage[0]["requests"], usage[0]["micro_usd"]) == (12, sum(one["micro_usd"] or 0 for one in rows))
    assert money["usage"]["rows"][0]["micro_usd"] == usage[0]["micro_usd"]
    assert status["running"] == 0
