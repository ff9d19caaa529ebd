"""A short run of the fuzzer; ``make fuzz-api`` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_proxy.openapi.operations import OPERATIONS
from tests.fuzz_api import ENDLESS, MODELS, fuzz

pytestmark = pytest.mark.one_python(
    "what it asks for is answered by code that other tests run on each Python"
)

#: What cannot succeed here: no model is managed, no double has sound, images or files, keeps anything, or has a place to
#: write to; nobody has a key, nothing runs, and the console may not write.
NEVER_OK = (
    "/v1/conversations",
    "/v1/responses/",
    "/api/{action}",
    "/api/blobs/{digest}",
    "/v1/audio/",
    "/v1/images/",
    "/v1/files",
    "/v1/moderations",
    "POST /console/session",
    "DELETE /console/session",  # a 204
    "/requests/{request}",
    "POST /console/api/config",
    "/console/api/config/diff",
    "/console/api/clients",  # for an address, which random texts are not
    "/console/api/prompts/{prompt}",  # by its name
    *(f"{method} /api/passthrough/" for method in ("POST", "PUT", "PATCH", "DELETE")),
)


@pytest.mark.timeout(seconds=120)
async def test_no_fault_and_nothing_undocumented(tmp_path: Path) -> None:
    """Whatever the document allows or forbids is asked for, of every kind of upstream, failing ones among them: no 500, and every status, type,
    header and body is one that the document tells of. Every operation was asked, and had its success."""
    findings = await fuzz(tmp_path, 2)

    assert findings.faults == {}
    assert len(findings.statuses) == len(OPERATIONS) - len(ENDLESS)
    lame = [label for label, statuses in findings.statuses.items() if statuses[200] == 0]
    assert [label for label in lame if not any(place in label for place in NEVER_OK)] == []
    for label in ("POST /api/chat", "POST /v1/responses", "POST /v1/messages", "POST /ollama/api/chat"):
        found = findings.statuses[label]
        assert found[200] >= 2 * (len(MODELS) - 1), label  # each kind of upstream answered, streamed and not
        assert {0, 422, 429, 502, 503} < found.keys(), label  # and each failure was told; 0: cut
