"""What the Gemini API refuses, and in about which words (ai.google.dev/api/generate-content, /gemini-api/docs/function-calling,
/gemini-api/docs/thought-signatures).

Pure: a request body goes in, ``Refused`` comes out or nothing. As strict as the API is known to be: unknown names, parts
that are not exactly one thing, results that do not match their calls, calls of newer models without their signature.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

#: What the vendor documents for calls that the model did not make itself.
ANY_SIGNATURE = "skip_thought_signature_validator"

_STANDARD = str.maketrans("-_", "+/")

Check = Callable[[str, Any], None]


class Refused(Exception):
    """A 400 ``INVALID_ARGUMENT`` with this message."""


def need(sound: bool, message: str) -> None:
    """Raise ``Refused`` unless ``sound``."""
    if not sound:
        raise Refused(message)


def signature(name: str) -> str:
    """What the double signs a call of ``name`` with (or a text, by the empty name)."""
    return base64.b64encode(b"\n\x24" + hashlib.sha256(name.encode()).digest()).decode()


def _is(kind: str, *types: type) -> Check:
    def check(at: str, value: Any) -> None:
        sound = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        need(sound, f"Invalid value at '{at}' ({kind})")

    return check


_text, _integer, _object = _is("TYPE_STRING", str), _is("TYPE_INT32", int), _is("TYPE_STRUCT", dict)
_list, _number, _boolean = _is("TYPE_LIST", list), _is("TYPE_DOUBLE", int, float), _is("TYPE_BOOL", bool)


def fields(at: str, value: Any, known: dict[str, Check]) -> None:
    """An object with these fields, none else."""
    _object(at, value)
    for name, inner in value.items():
        need(
            name in known,
            f"Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field.",
        )
        known[name](f"{at}.{name}", inner)


def _within(check: Check, low: float, high: float) -> Check:
    def checked(at: str, value: Any) -> None:
        check(at, value)
        need(low <= value <= high, f"* GenerateContentRequest.{at}: must be in the range [{low}, {high}]")

    return checked


def _one_of(*allowed: str) -> Check:
    def check(at: str, value: Any) -> None:
        _text(at, value)
        need(value.upper() in allowed, f"Invalid value at '{at}' (TYPE_ENUM), \"{value}\"")

    return check


def _each(check: Check, most: int = 1 << 20) -> Check:
    def checked(at: str, value: Any) -> None:
        _list(at, value)
        need(len(value) <= most, f"* GenerateContentRequest.{at}: at most {most} are supported")
        for number, item in enumerate(value):
            check(f"{at}[{number}]", item)

    return checked


def _of(**known: Check) -> Check:
    return lambda at, value: fields(at, value, known)


#: What holds the client's own names.
_OF_THE_CLIENT = frozenset(
    {
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "responseJsonSchema",
        "labels",
    }
)


def spelled(value: Any) -> Any:
    """A request in camelCase: the API takes both spellings (protobuf.dev/programming-guides/json), and Google's own
    client for Python sends both."""
    if isinstance(value, list):
        return [spelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {_camel(name): inner for name, inner in value.items()}
    return {name: inner if name in _OF_THE_CLIENT else spelled(inner) for name, inner in named.items()}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


_KINDS = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")


def _subset(at: str, value: Any) -> None:
    """A schema of the API's own: a subset of OpenAPI's, its types in either case."""
    _schema(at, value)
    need(str(value.get("type", "STRING")).upper() in _KINDS, f"Invalid value at '{at}.type' (TYPE_ENUM)")
    known = set(
        "type format title description nullable enum maxItems minItems properties required minProperties".split()
    )
    known |= set(
        "maxProperties minLength maxLength pattern example anyOf propertyOrdering default items".split()
    )
    known |= {"minimum", "maximum", "additionalProperties", "$defs", "$ref", "defs", "ref"}
    for name, inner in spelled({k: v for k, v in value.items() if k != "properties"}).items():
        need(
            name in known,
            f"Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field.",
        )
        if name == "items":
            _subset(f"{at}.{name}", inner)
    for name, inner in value.get("properties", {}).items():
        _subset(f"{at}.properties.{name}", inner)


def _schema(at: str, value: Any) -> None:
    _object(at, value)
    need("type" in value or "anyOf" in value or "$ref" in value, f"* {at}: schema must say a type")


def _thinking(at: str, value: Any) -> None:
    known: dict[str, Check] = {
        "includeThoughts": _boolean,
        "thinkingBudget": _within(_integer, -1, 32768),
        "thinkingLevel": _one_of("MINIMAL", "LOW", "MEDIUM", "HIGH"),
    }
    fields(at, value, known)
    both = {"thinkingBudget", "thinkingLevel"} <= value.keys()
    need(not both, "You can only set only one of thinking budget and thinking level.")


_CONFIG: dict[str, Check] = {
    "temperature": _within(_number, 0, 2),
    "topP": _within(_number, 0, 1),
    "topK": _within(_integer, 1, 1000),
    "candidateCount": _within(_integer, 1, 8),
    "maxOutputTokens": _within(_integer, 1, 65536),
    "stopSequences": _each(_text, 5),
    "seed": _integer,
    "presencePenalty": _within(_number, -2, 2),
    "frequencyPenalty": _within(_number, -2, 2),
    "responseLogprobs": _boolean,
    "logprobs": _within(_integer, 0, 20),
    "responseMimeType": _one_of("TEXT/PLAIN", "APPLICATION/JSON", "TEXT/X.ENUM"),
    "responseSchema": _subset,
    "responseJsonSchema": _schema,
    "responseModalities": _each(_one_of("TEXT", "IMAGE", "AUDIO")),
    "thinkingConfig": _thinking,
}


def _config(at: str, value: Any) -> None:
    fields(at, value, _CONFIG)
    plain = "responseJsonSchema" in value and value.get("responseMimeType") != "application/json"
    need(not plain, f"* {at}.response_json_schema: only allowed when response_mime_type is application/json")
    need(
        "logprobs" not in value or value.get("responseLogprobs") is True,
        f"* {at}.logprobs: needs response_logprobs",
    )


def _function_name(at: str, value: Any) -> None:
    _text(at, value)
    need(
        _NAME.fullmatch(value) is not None,
        f"* {at}: Invalid function name. Must start with a letter or an underscore.",
    )


def _parameters(at: str, value: Any) -> None:
    _object(at, value)
    need(value.get("type") == "object", f"* {at}: parameters schema should be of type OBJECT")


_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_FUNCTION = _of(
    name=_function_name,
    description=_text,
    parameters=_subset,
    parametersJsonSchema=_parameters,
    responseJsonSchema=_object,
)
_CALLING = _of(mode=_one_of("AUTO", "ANY", "NONE", "VALIDATED"), allowedFunctionNames=_each(_text))


def _calling(at: str, value: Any) -> None:
    _CALLING(at, value)
    named = "allowedFunctionNames" in value
    sound = not named or value.get("mode") in ("ANY", "VALIDATED")
    need(sound, f"* {at}: allowed_function_names needs the mode ANY or VALIDATED")


_BLOB = _of(mimeType=_text, data=_text)
PARTS: dict[str, Check] = {
    "text": _text,
    "inlineData": _BLOB,
    "fileData": _of(mimeType=_text, fileUri=_text),
    "functionCall": _of(id=_text, name=_text, args=_object),
    "functionResponse": _of(id=_text, name=_text, response=_object, parts=_each(_of(inlineData=_BLOB))),
}

FIELDS: dict[str, Check] = {
    "contents": _list,
    "systemInstruction": _of(role=_text, parts=_each(_of(text=_text))),
    "tools": _each(_of(functionDeclarations=_each(_FUNCTION), googleSearch=_object, codeExecution=_object)),
    "toolConfig": _of(functionCallingConfig=_calling),
    "generationConfig": _config,
    "safetySettings": _list,
    "cachedContent": _text,
    "serviceTier": _one_of("STANDARD", "FLEX", "PRIORITY"),
}


def check(body: Any, model: str) -> None:
    """Raise ``Refused`` for what the API would answer with a 400."""
    fields("", body, FIELDS)
    need(bool(body.get("contents")), "* GenerateContentRequest.contents: contents is not specified")
    budget = "thinkingBudget" in body.get("generationConfig", {}).get("thinkingConfig", {})
    need(
        model.startswith("gemini-3") or "2.5" in model or not budget,
        "Thinking is not supported for this model.",
    )
    waiting: list[tuple[Any, Any]] = []
    last = ""
    for number, content in enumerate(body["contents"]):
        at = f"contents[{number}]"
        fields(at, content, {"role": _one_of("USER", "MODEL"), "parts": _list})
        # Google's clients keep each response of a stream as a content of its own.
        again = content["role"] == last != "model"
        need(not again, f"{at}: please ensure that roles alternate between user and model")
        last = content["role"]
        need(
            bool(content["parts"]), f"* GenerateContentRequest.{at}.parts: contents.parts must not be empty."
        )
        for place, part in enumerate(content["parts"]):
            _part(f"{at}.parts[{place}]", part)
        waiting = _turn(at, content, waiting, model)


def _part(at: str, part: Any) -> None:
    known: dict[str, Check] = {**PARTS, "thoughtSignature": _text, "thought": _boolean}
    fields(at, part, known)
    need(
        len(part.keys() & PARTS.keys()) == 1,
        f"* {at}.data: required oneof field 'data' must have one initialized field",
    )
    empty = part.get("text") == "" and "thoughtSignature" not in part
    need(not empty, f"Unable to submit request because {at} must have a text parameter.")


def _turn(
    at: str, content: dict[str, Any], waiting: list[tuple[Any, Any]], model: str
) -> list[tuple[Any, Any]]:
    """Check a turn's results against the calls before it; its own calls, which the next turn must answer."""
    given = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
    of_model = content["role"] == "model"
    need(not (of_model and given), f"{at}: function responses belong to the user")
    if not of_model:
        # Google's client for Python gives no ids back.
        named = {(one["id"], one["name"]) for one in given if "id" in one}
        unnamed = sorted(one["name"] for one in given if "id" not in one)
        need(
            named <= set(waiting)
            and len(given) == len(waiting)
            and unnamed == sorted(name for call_id, name in waiting if (call_id, name) not in named),
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn.",
        )
        waiting = []
    calls = [part for part in content["parts"] if "functionCall" in part]
    need(of_model or not calls, f"{at}: function calls belong to the model")
    if calls and model.startswith("gemini-3"):
        name, found = calls[0]["functionCall"]["name"], calls[0].get("thoughtSignature")
        need(
            found is not None,
            f"Function call `{name}` in the {at} content block is missing a `thought_signature`.",
        )
        # Bytes in JSON are read in either alphabet of base64.
        sound = found == ANY_SIGNATURE or found.translate(_STANDARD) == signature(name)
        need(sound, f"{at}: Thought signature is not valid")
    return [*waiting, *((part["functionCall"].get("id"), part["functionCall"]["name"]) for part in calls)]


_TASKS = _one_of(
    "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING"
)
_EMBED: dict[str, Check] = {
    "model": _text,
    "content": _of(role=_text, parts=_each(_of(text=_text))),
    "taskType": _TASKS,
    "title": _text,
    "outputDimensionality": _within(_integer, 1, 3072),
}


def check_embed(body: Any, model: str) -> None:
    """The same for ``batchEmbedContents`` (ai.google.dev/api/embeddings). Raises ``Refused``."""
    fields("body", body, {"requests": _each(_of(**_EMBED), 100)})
    need(bool(body.get("requests")), "* BatchEmbedContentsRequest.requests: must not be empty")
    for number, one in enumerate(body["requests"]):
        check_one(f"requests[{number}]", one, model)
        need("model" in one, f"* requests[{number}].model: must be the model of the batch")


def check_one(at: str, one: Any, model: str) -> None:
    """The same for one content (``embedContent``), which need not repeat the model. Raises ``Refused``."""
    fields(at, one, _EMBED)
    need(
        one.get("model", f"models/{model}") == f"models/{model}",
        f"* {at}.model: must be the model of the batch",
    )
    need(bool(one.get("content", {}).get("parts")), f"* {at}.content: content is not set")
    named = "title" in one and one.get("taskType") != "RETRIEVAL_DOCUMENT"
    need(not named, f"* {at}.title: only allowed when task_type is RETRIEVAL_DOCUMENT")


def check_count(body: Any, model: str) -> None:
    """The same for ``countTokens`` (ai.google.dev/api/tokens). Raises ``Refused``."""
    fields("body", body, {"contents": _list, "generateContentRequest": _object})
    need(len(body) == 1, "* CountTokensRequest: contents, or a whole request")
    if "contents" in body:
        check(body, model)
        return
    request = dict(body["generateContentRequest"])
    need(
        request.pop("model", None) == f"models/{model}",
        "* generate_content_request.model: must be that of the path",
    )
    check(request, model)
