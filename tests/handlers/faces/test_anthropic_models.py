"""``/v1/models`` in Anthropic's form, which has OpenAI's path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic

from tests.support.client import request
from tests.support.gateway import RunningGateway

NAMES = [f"m{number:02}" for number in range(45)]
ROWS: dict[str, Any] = {
    "up": {"defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9/v1"}, **{n: {} for n in NAMES}},
    "big": {
        "defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9/v1"},
        "vendor/m": {"input_size": 9},
    },
}
VERSION = {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize("path", ["", "/anthropic", "/api"])
async def test_the_official_client(path: str, tmp_path: Path) -> None:
    """All models page by page, one model, also with a slash in its name, and the 404."""
    async with (
        RunningGateway(tmp_path, ROWS) as proxy,
        AsyncAnthropic(base_url=proxy.origin + path, api_key="k", max_retries=0) as sdk,
    ):
        names = [model.id async for model in sdk.models.list()]
        first = await sdk.models.list(limit=2)
        one = (await request(proxy.origin + path, "GET", "/v1/models/vendor/m", headers=VERSION)).json()
        with pytest.raises(anthropic.NotFoundError) as unknown:
            await sdk.models.retrieve("none")

    assert names == [*NAMES, "vendor/m"]
    assert (first.data[0].type, first.data[0].display_name, first.has_more) == ("model", "m00", True)
    assert first.data[0].created_at.year > 2024
    assert (one["id"], one["max_input_tokens"]) == ("vendor/m", 9)
    assert unknown.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]


@pytest.mark.parametrize(
    ("query", "shown", "more"),
    [
        ("", NAMES[:20], True),
        ("?limit=1000", [*NAMES, "vendor/m"], False),
        ("?limit=2&after_id=m02", ["m03", "m04"], True),
        ("?limit=2&before_id=m02", ["m00", "m01"], False),
        ("?limit=1&before_id=m02", ["m01"], True),
        ("?after_id=m44", ["vendor/m"], False),
        ("?after_id=m43x&limit=1", ["m44"], True),
        ("?after_id=zzz", [], False),
        ("?before_id=a", [], False),
    ],
)
async def test_pages(query: str, shown: list[str], more: bool, tmp_path: Path) -> None:
    """A page begins behind its cursor, or ends before it, whether or not that model still exists."""
    async with RunningGateway(tmp_path, ROWS) as proxy:
        page = (await request(proxy.origin, "GET", "/anthropic/v1/models" + query)).json()

    assert [model["id"] for model in page["data"]] == shown
    ends = (shown[0], shown[-1]) if shown else (None, None)
    assert (page["first_id"], page["last_id"], page["has_more"]) == (*ends, more)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "limit=%C2%B2",
        "after_id=a&before_id=b",
        "limit=" + "9" * 5000,
    ],
)
async def test_pages_that_are_none(query: str, tmp_path: Path) -> None:
    """They are refused in this dialect."""
    async with RunningGateway(tmp_path, ROWS) as proxy:
        got = await request(proxy.origin, "GET", "/v1/models?" + query, headers=VERSION)

    assert (got.status, got.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_anybody_else_speaks_openais_dialect(tmp_path: Path) -> None:
    """Without the header the list, a model and the 404 are OpenAI's."""
    async with RunningGateway(tmp_path, ROWS) as proxy:
        every = (await request(proxy.origin, "GET", "/v1/models?limit=x")).json()
        none = (await request(proxy.origin, "GET", "/v1/models/none")).json()

    assert (every["object"], len(every["data"])) == ("list", 46)
    assert none["error"]["code"] == "model_not_found"
