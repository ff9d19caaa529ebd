"""Asks every documented endpoint of a running gateway for what its own document allows, and for what it forbids, and
judges the answers by that document (schemathesis.io). ``python -m tests.fuzz_api --examples 200``.

Behind the gateway stand the doubles of every upstream, so that most of what is asked has an answer. The same number of
examples asks the same questions each time, unless a seed is given.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import CheckContext
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from llm_proxy.openapi.values import LINES
from tests.support.addresses import refused_url
from tests.support.anthropic_double import AnthropicDouble
from tests.support.gateway import RunningGateway
from tests.support.gemini_double import GeminiDouble
from tests.support.ollama_double import OllamaDouble
from tests.support.openai_double import OpenAIDouble

MODELS = {
    "openai": "gpt-double",
    "ollama": "qwen3:8b",
    "anthropic": "claude-double-4-5",
    "gemini": "gemini-double",
    "demo": "demo",
    "embed": "text-embedding-double",
}
#: Models whose upstream fails, each in its way, at the double of OpenAI's API; ``gone``: nobody is there.
FAILING = {
    "limited": "error-429",
    "refuses": "error-422",
    "broken": "error-500",
    "down": "error-503",
    "dies": "dies",
    "mute": "mute",
    "gone": "gpt-double",
}
#: Fields and parameters that decide whether anything happens at all, and what is asked for in them.
_CHOICES: dict[str, list[str]] = {
    "model": [*MODELS, *FAILING, "unknown"],
    "model_name": [*MODELS, *FAILING, "unknown"],
    "provider": ["openai", "ollama", "demo", "unknown"],
}
_PATHS = {
    "/passthrough/{provider}/{path}": ["models", "files"],
    "/prompts/{id}": ["conversation", "tone", "none"],
    "/v1/models/{id}": [*MODELS, "none"],
    "/console/api/prompts/{prompt}": ["conversation", "tone", "none"],
    "/console/{file}": ["console.css", "none"],
}
#: Answers that never end.
ENDLESS = ("GET /console/events",)
#: What acts there must come from a page of the gateway's own.
_OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass(slots=True)
class Findings:
    """``faults``: one for each kind; ``statuses``: how often each operation answered what."""

    faults: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))


async def fuzz(folder: Path, examples: int, chance: int | None = None) -> Findings:
    """So many examples of what is allowed, and of what is not, for each operation; others with another ``chance``."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(RunningGateway(folder, await _upstreams(stack)))
        return await asyncio.to_thread(_ask, gateway.origin, examples, chance)


async def _upstreams(stack: AsyncExitStack) -> dict[str, Any]:
    """A configuration that knows a model of each kind of upstream."""
    openai = await stack.enter_async_context(OpenAIDouble(unknown_fields=True))
    ollama = await stack.enter_async_context(OllamaDouble())
    anthropic = await stack.enter_async_context(AnthropicDouble())
    gemini = await stack.enter_async_context(GeminiDouble())
    hosts = {"openai": openai.base, "ollama": ollama.url, "anthropic": anthropic.url, "gemini": gemini.url}
    rows: dict[str, Any] = {
        kind: {"defaults": {"api_host": host, "api_token": "k"}, kind: {"model": MODELS[kind]}}
        for kind, host in hosts.items()
    }
    rows["openai"].update({name: {"model": model} for name, model in FAILING.items()})
    rows["openai"]["gone"]["api_host"] = refused_url() + "/v1"
    rows["openai"]["embed"] = {"model": MODELS["embed"]}
    return {**rows, "demo": {"demo": {}}}


def _ask(origin: str, examples: int, chance: int | None) -> Findings:
    document = requests.get(origin + "/openapi.json", timeout=30).json()
    findings = Findings()
    asked = schemathesis.openapi.from_dict(_aimed(document))
    judge = partial(_judge, origin=origin, session=requests.Session(), findings=findings)
    operations: Any = asked.get_all_operations()
    for operation in (result.ok() for result in operations):
        if operation.label in ENDLESS:
            continue
        for case in _examples(operation):
            judge(case)
        for mode in GenerationMode:
            _one(operation, mode, judge, examples, chance)
    return findings


def _examples(operation: Any) -> Iterator[Any]:
    """The documented example, for each model and for both forms of an answer; something to relay."""
    content = operation.definition.raw.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {}).get("example")
    name = next((name for name in ("model", "model_name") if body and name in body), None)
    if "{provider}" in operation.path:
        yield operation.Case(path_parameters={"provider": "openai", "path": "models"})
    if body and "provider" in body:
        yield operation.Case(body={**body, "provider": "openai"}, media_type="application/json")
    if "{model}" in operation.path:
        for model in (*MODELS, *FAILING):
            yield operation.Case(
                path_parameters={"model": model},
                **({"body": body, "media_type": "application/json"} if body else {}),
            )
    if name is not None:
        for model in (*MODELS, *FAILING):
            for stream in (True, False):
                yield operation.Case(
                    body={**body, name: model, "stream": stream}, media_type="application/json"
                )


def _judge(case: Any, origin: str, session: requests.Session, findings: Findings) -> None:
    """Ask, and write down what came."""
    label = case.operation.label
    try:
        more = _OUR_PAGE if case.operation.path.startswith("/console") else {}
        response = case.call(base_url=origin, session=session, timeout=30, headers=more)
    except requests.exceptions.ChunkedEncodingError:  # what failed in the middle of a stream is cut
        assert _asked_model(case) in list(FAILING), label
        findings.statuses[label][0] += 1
        return
    findings.statuses[label][response.status_code] += 1
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as group:
        for failure in group.exceptions:
            name = f"{label} {response.status_code} {type(failure).__name__}"
            findings.faults.setdefault(name, f"{failure}\n{case.as_curl_command()}")


def _one(operation: Any, mode: Any, judge: Callable[[Any], None], examples: int, chance: int | None) -> None:
    @settings(
        max_examples=examples,
        derandomize=chance is None,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        judge(case)

    try:
        ask() if chance is None else seed(chance)(ask)()
    except Unsatisfiable:  # nothing can be wrong in a request without parameters
        assert mode is GenerationMode.NEGATIVE, operation.label


def _asked_model(case: Any) -> Any:
    """The model that a request names, wherever."""
    fields = {
        **(case.query or {}),
        **(case.body if isinstance(case.body, dict) else {}),
        **(case.path_parameters or {}),
    }
    return fields.get("model") or fields.get("model_name") or fields.get("name")


def no_fault_of_ours(context: CheckContext, response: Response, case: Any) -> None:
    """No internal fault ever, a failure of an upstream only where there is one, a 501 only where it is told of."""
    status = response.status_code
    theirs = status in (502, 503, 504) and _asked_model(case) in list(FAILING)
    told = status == 501 and "501" in case.operation.definition.raw["responses"]
    if status >= 500 and not theirs and not told:
        raise AssertionError(f"a server error: {response.content[:500]!r}")


def lines_are_as_told(context: CheckContext, response: Response, case: Any) -> None:
    """Every line of a stream is what the document says of one; events are schemathesis's own to judge."""
    kind = response.headers.get("content-type", [""])[0]
    media = case.operation.definition.raw["responses"].get("200", {}).get("content", {}).get(kind)
    if response.status_code != 200 or kind != LINES or media is None:
        return
    components = case.operation.schema.raw_schema["components"]
    validator = Draft202012Validator({**media["schema"], "components": components})
    for item in response.content.splitlines():
        faults = [fault.message for fault in validator.iter_errors(json.loads(item))]
        assert not faults, f"{faults[0]} in {item!r}"


CHECKS: Any = [
    lines_are_as_told,
    no_fault_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def _aimed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with names that exist where it allows any, and each operation once."""
    schemas = document["components"]["schemas"]
    for schema in list(_bodies(document)):
        target = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        for name in _CHOICES.keys() & target.get("properties", {}).keys():
            target["properties"][name] = {"type": "string", "enum": _CHOICES[name]}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                known = _CHOICES.get(parameter["name"]) or next(
                    (names for place, names in _PATHS.items() if place in path), None
                )
                if known and parameter["in"] != "header":
                    parameter["schema"] = {"type": "string", "enum": known}
    paths = {
        path: {method: operation for method, operation in methods.items() if "x-same-as" not in operation}
        for path, methods in document["paths"].items()
    }
    return {**document, "paths": {path: methods for path, methods in paths.items() if methods}}


def _bodies(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        for operation in methods.values():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield media["schema"]


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="of each kind, for each operation")
    parser.add_argument("--seed", type=int, help="ask other questions")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        findings = asyncio.run(fuzz(Path(folder), asked.examples, asked.seed))
    for label, statuses in findings.statuses.items():
        print(f"{label}: {dict(sorted(statuses.items()))}")
    print(*(f"\n{name}\n{text}" for name, text in findings.faults.items()), sep="\n")
    print(
        json.dumps(
            {"asked": sum(map(Counter.total, findings.statuses.values())), "faults": len(findings.faults)}
        )
    )
    return min(1, len(findings.faults))


if __name__ == "__main__":
    sys.exit(main())
