"""What the service says of itself: alive, state, and this document."""

from __future__ import annotations

from llm_proxy.openapi.schemas import (
    ANY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    const,
    many,
    mapping,
    maybe,
    one_of,
    record,
    ref,
)
from llm_proxy.openapi.values import JSON, PREFIX, ROOT, TEXT, Answer, Operation, Parameter, Schema

GROUP = "Service"
GROUPS = {GROUP: "What the service says of itself."}

_STATE = one_of("applied", "rejected", "pending", "mixed")

INSIDE = record(
    {"count": INTEGER, **{name: maybe(NUMBER) for name in ("p50", "p90", "p99", "p999")}},
    what="Milliseconds; null if nothing was measured.",
)

SHAPES: dict[str, Schema] = {
    "Worker": record(
        {
            "pid": INTEGER,
            "hash": STRING,
            "generation": INTEGER,
            "loaded_at": NUMBER,
            "state": STRING,
            "running": INTEGER,
            "draining": BOOLEAN,
            "heartbeat": NUMBER,
        },
        what="One process; `heartbeat`: seconds since it said this.",
    ),
    "Status": record(
        {
            "state": _STATE,
            "mixed": BOOLEAN,
            "problems": many(STRING),
            "generation": INTEGER,
            "hash": STRING,
            "loaded_at": NUMBER,
            "version": STRING,
            "uptime": NUMBER,
            "draining": BOOLEAN,
            "lame_duck": BOOLEAN,
            "watcher": OBJECT,
            "prompts": many(record({"id": STRING, "languages": OBJECT})),
            "warnings": many(STRING),
            "models": INTEGER,
            "running": INTEGER,
            "inside": mapping(INSIDE),
            "memory": record({"limit": INTEGER, "held": INTEGER, "refused": INTEGER}),
            "log": record({"dropped": INTEGER, "failed": INTEGER, "problems": many(STRING)}),
            "workers": many(ref("Worker")),
            "ollama": maybe(STRING),
        },
        {
            "file_hash": maybe(STRING),
            "last_good": BOOLEAN,
            "noticed": OBJECT,
            "tls": maybe(OBJECT),
            "usage": maybe(OBJECT),
            "shared": maybe(STRING),
            "discovery": maybe(OBJECT),
        },
        "What runs now, and whether it is what lies on disk. `ollama`: where Ollama's API has a port of its own; `discovery`: the model servers on this machine, while nobody has configured any.",
    ),
    "UsageReport": record(
        {
            "since": STRING,
            "rows": many(
                record(
                    {
                        "requests": INTEGER,
                        "input": INTEGER,
                        "output": INTEGER,
                        "cached": INTEGER,
                        "micro_usd": INTEGER,
                        "estimated": INTEGER,
                        "errors": INTEGER,
                    },
                    dict.fromkeys(("key", "team", "model", "provider", "face", "day"), STRING),
                )
            ),
        },
        what="`rows` are apart by what `by` names.",
    ),
    "Key": record(
        {
            "name": STRING,
            "team": maybe(STRING),
            "last_used": maybe(NUMBER),
            "windows": many(
                record(
                    {
                        "kind": STRING,
                        "of": STRING,
                        "limit": INTEGER,
                        "used": INTEGER,
                        "reserved": INTEGER,
                        "resets": STRING,
                    }
                )
            ),
            "budgets": many(
                record(
                    {"name": STRING, "limit": NUMBER, "used": NUMBER, "reserved": NUMBER, "resets": STRING}
                )
            ),
        },
        what="`budgets` in US dollars.",
    ),
    "RunningModels": record(
        {
            "generation": INTEGER,
            "hash": STRING,
            "salt": STRING,
            "models": many(OBJECT),
            "names": OBJECT,
            "prompts": many(many(STRING)),
        },
        what="Each upstream with its fields and how it stands (`state`, `until`, `reason`, `in_flight`, `waiting`, `first_token_ms`, "
        "`tokens_per_second`, `cache_hits`, `polled`); also for `llm-proxy check --against`.",
    ),
}

_TAG = Parameter("If-None-Match", "An ETag that is known already.", '"0"', "header", {"type": "string"})
_SAME = Answer("What is known is what there is.", {}, "304", ("ETag",))
_ACCEPT = Parameter("Accept", "Which of the two is wanted.", "text/plain", "header", {"type": "string"})
OPENMETRICS = "application/openmetrics-text"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/ping",
        GROUP,
        "Is the process alive",
        (
            Answer("`pong`", {TEXT: const("pong")}),
            Answer("`draining`: it is about to stop.", {TEXT: const("draining")}, "503"),
        ),
        (PREFIX, ROOT),
        open=True,
    ),
    Operation(
        "GET",
        "/",
        GROUP,
        "Who is here",
        (
            Answer("In a line: its name, its version, and where everything stands.", {TEXT: STRING}),
            Answer("A browser is sent to the console.", {}, "302"),
        ),
        (ROOT,),
        open=True,
    ),
    *(
        Operation(
            "GET",
            path,
            GROUP,
            "Is the process alive, where other servers' clients look",
            (
                Answer("It is.", {JSON: record({"status": const("ok")})}),
                Answer("It is about to stop.", {JSON: record({"status": const("draining")})}, "503"),
            ),
            (place,),
            open=True,
        )
        for path, place in (("/health", ROOT), ("/healthz", ROOT), ("/readyz", ROOT), ("/hello", PREFIX))
    ),
    Operation(
        "GET",
        "/livez",
        GROUP,
        "Is the process alive, also while it drains",
        (Answer("It is.", {JSON: record({"status": const("ok")})}),),
        (ROOT,),
        open=True,
    ),
    Operation(
        "GET",
        "/status",
        GROUP,
        "What runs now",
        (
            Answer(
                "The state of configuration, watcher, log and processes; for a key without `admin` a word.",
                {JSON: {"anyOf": [ref("Status"), record({"state": one_of("ok", "draining")})]}},
            ),
        ),
    ),
    Operation(
        "GET",
        "/status/models",
        GROUP,
        "What runs now in every detail",
        (Answer("Without hosts and tokens.", {JSON: ref("RunningModels")}),),
    ),
    Operation(
        "GET",
        "/usage",
        GROUP,
        "What was used, by whom and of what",
        (Answer("Sums of the ledger; a key without `admin` sees its own.", {JSON: ref("UsageReport")}),),
        parameters=(
            Parameter("since", "Hours, days or weeks, or a date. Default 30d.", "30d", "query", STRING),
            Parameter(
                "by",
                "Some of key, team, model, provider, face, day. Default key,model.",
                "key,model",
                "query",
                STRING,
            ),
        ),
    ),
    Operation(
        "GET",
        "/keys",
        GROUP,
        "Who has a key, and how far its limits and budgets are",
        (Answer("For a key with `admin`. No hashes.", {JSON: record({"keys": many(ref("Key"))})}),),
    ),
    Operation(
        "GET",
        "/metrics",
        GROUP,
        "What it counts and times, for Prometheus",
        (
            Answer(
                "The text format 0.0.4, or OpenMetrics 1.0 with exemplars where `Accept` prefers it.",
                {TEXT: STRING, OPENMETRICS: STRING},
            ),
        ),
        (ROOT, PREFIX),
        parameters=(_ACCEPT,),
    ),
    Operation(
        "GET",
        "/openapi.json",
        GROUP,
        "This document",
        (
            Answer("OpenAPI 3.1.", {JSON: record({"openapi": STRING}, {"paths": ANY})}, headers=("ETag",)),
            _SAME,
        ),
        (ROOT, PREFIX),
        parameters=(_TAG,),
        open=True,
    ),
    Operation(
        "GET",
        "/docs",
        GROUP,
        "This document for people",
        (
            Answer("A page that fetches nothing.", {"text/html; charset=utf-8": STRING}, headers=("ETag",)),
            _SAME,
        ),
        (ROOT, PREFIX),
        parameters=(_TAG,),
        open=True,
    ),
)
