"""One candidate of an answer as Gemini writes it, told piece by piece (ai.google.dev/api/generate-content#Candidate).

Laws: texts, thoughts and pictures are given out as they come; calls whole, at the end, as Google's models give them. What
a vendor wants back stands on the first call, or on an empty text that ends the answer (see ``signature``): every
answer ends with a part, since Google's clients keep no answer in their history that lacks one.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.errors import UpstreamError
from llm_proxy.faces.arguments import CUT, as_object
from llm_proxy.faces.chunk_reading import Numbers, obj, objects, string
from llm_proxy.faces.gemini.signature import sealed, signature_in
from llm_proxy.wire.answers.details import DETAILS, joined

Json = dict[str, Any]

#: Tool calls end with STOP too. What no vendor's adapter has a word for is told as OTHER, which no client takes for good.
_FINISH = {
    "": "STOP",
    "stop": "STOP",
    "tool_calls": "STOP",
    "function_call": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}


class Candidate:
    """``thoughts``: whether the client wants to see them."""

    def __init__(self, *, thoughts: bool) -> None:
        self._shows = thoughts
        self._numbers = Numbers()
        self._calls: dict[int, Json] = {}
        #: What has been thought, as long as it may have to come back.
        self._thought: list[str] = []
        self._opaque: dict[str, list[Json]] = {}
        self._signature = ""
        self._citations: list[Json] = []
        self._reason = ""

    def add(self, choice: Json, delta: Json) -> list[Json]:
        """The parts that a piece of the answer is. Raises ``UpstreamError`` for a piece that is none."""
        reason = string(choice.get("finish_reason"))
        self._reason = reason or self._reason
        parts: list[Json] = []
        thought = string(delta.get("reasoning_content") or delta.get("reasoning"))
        if thought:
            self._thought.append(thought)
            if self._shows:
                parts.append({"text": thought, "thought": True})
        if text := string(delta.get("content") or delta.get("refusal")):
            parts.append({"text": text})
        if len(delta) > 1 or not (text or thought):
            self._add_rest(delta, parts)
        return parts

    def last(self) -> list[Json]:
        """The parts that end it."""
        opaque: Json = {
            name: joined(blocks) if name == DETAILS else blocks for name, blocks in self._opaque.items()
        }
        if self._calls and not opaque and self._thought:
            opaque = {"reasoning_content": "".join(self._thought)}
        mark = sealed(opaque)
        if not self._calls:
            return [_signed({"text": ""}, self._signature or mark)]
        parts = [_signed({"text": ""}, self._signature)] if self._signature else []
        for number in sorted(self._calls):
            call = self._calls[number]
            parts.append(_signed({"functionCall": _call(call, self._reason)}, call["signature"] or mark))
            mark = ""
        return parts

    def end(self) -> Json:
        """The fields of its end."""
        reason = _FINISH.get(self._reason, "OTHER")
        found: Json = {"finishReason": reason}
        if reason == "OTHER":
            found["finishMessage"] = self._reason[:200]
        if self._citations:
            found["citationMetadata"] = {"citationSources": self._citations}
        return found

    def _add_rest(self, delta: Json, parts: list[Json]) -> None:
        """What few pieces hold."""
        images = objects(delta.get("images"))
        parts += [_picture(string(obj(image.get("image_url")).get("url"))) for image in images]
        for name in ("thinking_blocks", DETAILS):
            if blocks := objects(delta.get(name)):
                self._opaque.setdefault(name, []).extend(blocks)
        for note in objects(delta.get("annotations")):
            if isinstance(cited := note.get("url_citation"), dict):
                self._citations.append(_citation(cited))
        self._signature = signature_in(delta) or self._signature
        for piece in objects(delta.get("tool_calls")):
            self._piece(piece)

    def _piece(self, piece: Json) -> None:
        blank = {"id": "", "name": "", "arguments": [], "signature": ""}
        call = self._calls.setdefault(self._numbers.of(piece), blank)
        function = obj(piece.get("function"))
        call["id"] = string(piece.get("id")) or call["id"]
        call["name"] += string(function.get("name"))
        call["arguments"].append(string(function.get("arguments")))
        call["signature"] = signature_in(piece) or call["signature"]


def _signed(part: Json, signature: str) -> Json:
    return {**part, "thoughtSignature": signature} if signature else part


def _call(call: Json, reason: str) -> Json:
    named = {"id": call["id"]} if call["id"] else {}
    return {**named, "name": call["name"], "args": as_object("".join(call["arguments"]), cut=reason in CUT)}


def _picture(url: str) -> Json:
    """A picture that the model made."""
    head, comma, data = url.partition(",")
    if comma and head[:5].lower() == "data:" and head.endswith(";base64"):
        return {"inlineData": {"mimeType": head[5:-7], "data": data}}
    if not url:
        raise UpstreamError(
            "the upstream's answer has a picture without an address", phase="body", kind="event"
        )
    return {"fileData": {"fileUri": url}}


def _citation(cited: Json) -> Json:
    names = (("start_index", "startIndex"), ("end_index", "endIndex"), ("url", "uri"), ("title", "title"))
    return {own: cited[name] for name, own in names if cited.get(name) is not None}


def logprobs(given: Any) -> Json:
    """``logprobsResult`` for the log probabilities of a choice; empty if there are none."""
    tokens = objects(obj(given).get("content"))
    if not tokens:
        return {}
    tops = [{"candidates": [_token(top) for top in objects(token.get("top_logprobs"))]} for token in tokens]
    return {
        "logprobsResult": {"topCandidates": tops, "chosenCandidates": [_token(token) for token in tokens]}
    }


def _token(token: Json) -> Json:
    return {"token": string(token.get("token")), "logProbability": token.get("logprob")}
