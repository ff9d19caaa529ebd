"""Gemini's face (see ``faces``)."""

from __future__ import annotations

from typing import Any

from tests.matrix.asks import RESULTS
from tests.matrix.asks_gemini import GEMINI
from tests.matrix.faces import Cut, Face, Got, Json
from tests.matrix.features import Refusal
from tests.matrix.read_gemini import events, joined, said_by
from tests.support.client import Answer

#: Google's word for each status (cloud.google.com/apis/design/errors).
_WORDS = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    529: "UNAVAILABLE",
}


class Gemini(Face):
    """``:generateContent`` and ``:streamGenerateContent?alt=sse``."""

    name, path = "gemini", "/v1beta/models/m:"
    asks = GEMINI
    lacks = frozenset({"user", "parallel_tool_calls", "num_ctx", "keep_alive"})
    first = b'"text":"H'
    headers = {"x-goog-api-key": "x"}

    def sent(self, body: Json, stream: bool) -> tuple[str, Json]:
        return self.path + ("streamGenerateContent?alt=sse" if stream else "generateContent"), body

    def got(self, answer: Answer, stream: bool) -> Got:
        parts, pieces, last = joined(events(answer.body) if stream else [answer.json()])
        return Got(said_by(parts, last), parts, pieces)

    def again(self, body: Json, message: Any, calls: int) -> Json:
        asked = [part["functionCall"] for part in message if "functionCall" in part]
        assert len(asked) == calls
        results = [
            {"functionResponse": {**_id(call), "name": call["name"], "response": {"output": result}}}
            for call, result in zip(asked, RESULTS, strict=False)
        ]
        turns = [{"role": "model", "parts": message}, {"role": "user", "parts": results}]
        return {**body, "contents": [*body["contents"], *turns]}

    def cut(self, answer: Answer) -> Cut:
        *before, error = events(answer.body)
        texts = [
            part["text"] for response in before for part in response["candidates"][0]["content"]["parts"]
        ]
        return Cut("".join(texts), error)

    def error(self, body: Json, refusal: Refusal) -> None:
        assert body.keys() == {"error"}
        error = body["error"]
        assert error.keys() == {"code", "message", "status", "details"}
        assert (error["code"], error["status"]) == (refusal.status, _WORDS[refusal.status])
        assert refusal.message in error["message"]
        details = {detail["@type"].rpartition(".")[2]: detail for detail in error["details"]}
        assert details["ErrorInfo"]["reason"] == refusal.code.upper()
        if refusal.retry_after:
            assert details["RetryInfo"]["retryDelay"] == f"{refusal.retry_after}s"


def _id(call: Json) -> Json:
    return {"id": call["id"]} if "id" in call else {}
