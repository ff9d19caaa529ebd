"""The console: its page, and what the page asks for. ``LLM_PROXY_API_CONSOLE=0`` removes all of it. Pure."""

from __future__ import annotations

from llm_proxy.openapi.schemas import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    many,
    mapping,
    maybe,
    one_of,
    record,
    ref,
)
from llm_proxy.openapi.values import EVENTS, JSON, PREFIX, ROOT, Answer, Operation, Parameter, Schema

GROUP = "Console"
GROUPS = {
    GROUP: "The page at `/console`, and what it asks for (docs/console.md). Private: what stands below `/console/api` may change "
    "with any version; `stop` is public. Answers are for whoever is on this machine, or, where there are keys, for keys with "
    "`admin`."
}

_PROBLEM = ref("PlacedProblem")
_EDIT = record(
    {},
    {
        "text": STRING,
        "generation": INTEGER,
        "weight": record({"provider": STRING, "model": STRING, "weight": NUMBER}),
    },
    "One of them: a whole text, the number of a state to go back to, or another weight of a deployment.",
)
_QUANTILES = record({"p50": maybe(NUMBER), "p95": maybe(NUMBER)}, what="Milliseconds.")

SHAPES: dict[str, Schema] = {
    "ConsoleSession": record(
        {
            "access": one_of("open", "key", "closed"),
            "role": maybe(one_of("read", "write")),
            "key": maybe(STRING),
            "expires": maybe(NUMBER),
            "writing": BOOLEAN,
            "prefix": STRING,
            "version": STRING,
            "keys": BOOLEAN,
            "ollama": maybe(STRING),
            "reason": maybe(STRING),
        },
        what="Whether it takes a key to look, and who is signed in. `writing`: whether files may be written.",
    ),
    "PlacedProblem": record(
        {
            "text": STRING,
            "file": maybe(STRING),
            "line": maybe(INTEGER),
            "column": maybe(INTEGER),
            "path": maybe(STRING),
            "message": STRING,
        },
        what="A sentence of `/status`, and the place that it names.",
    ),
    "ConsoleRequest": record(
        {
            "source": one_of("memory", "usage"),
            "request_id": STRING,
            "at": NUMBER,
            "model": maybe(STRING),
            "provider": maybe(STRING),
            "status": maybe(INTEGER),
            "tries": many(record({"provider": STRING, "outcome": STRING, "ms": NUMBER})),
            "outcome": STRING,
            "mark": one_of("good", "bad", "muted"),
        },
        {"headers": mapping(STRING), "bars": many(OBJECT)},
        what="A request that has ended, under the names of the access line; what is not known is null.",
    ),
    "ConsoleConfig": record(
        {
            "generation": INTEGER,
            "hash": STRING,
            "state": STRING,
            "noticed": OBJECT,
            "last_good": BOOLEAN,
            "loaded_at": NUMBER,
            "problems": many(_PROBLEM),
            "warnings": many(_PROBLEM),
            "writing": BOOLEAN,
            "access": BOOLEAN,
            "file_hash": STRING,
            "text": STRING,
            "masked": INTEGER,
            "readable": BOOLEAN,
            "running_text": maybe(STRING),
        },
        what="`text` is that of the file, with `***` in the place of each secret.",
    ),
    "ConsolePoint": record(
        {
            "at": INTEGER,
            "requests": INTEGER,
            "errors": INTEGER,
            "cancelled": INTEGER,
            "input": INTEGER,
            "output": INTEGER,
            "first_token_ms": _QUANTILES,
            "tokens_per_second": maybe(NUMBER),
            "running": maybe(INTEGER),
        },
        what="Five seconds.",
    ),
    "ConsoleBudget": record(
        {
            "name": STRING,
            "of": maybe(STRING),
            "limit": NUMBER,
            "used": NUMBER,
            "reserved": NUMBER,
            "resets": STRING,
            "period_start": STRING,
            "period_end": STRING,
            "forecast": maybe(NUMBER),
            "share": maybe(NUMBER),
        },
        what="US dollars. `forecast`: what will be used at the end of the period, if it goes on so.",
    ),
}


def _query(name: str, what: str, example: str) -> Parameter:
    return Parameter(name, what, example, "query", STRING)


def _get(path: str, summary: str, schema: Schema, *parameters: Parameter, names: bool = False) -> Operation:
    return Operation(
        "GET",
        path,
        GROUP,
        summary,
        (Answer(summary + ".", {JSON: schema}),),
        (ROOT,),
        parameters=parameters,
        names=names,
    )


_SINCE = _query("since", "Hours, days or weeks, or a date. Default 30d.", "30d")
_FILE_TYPES = dict.fromkeys(
    (
        "text/html; charset=utf-8",
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
        "image/svg+xml",
    ),
    STRING,
)
_TAG = Parameter("If-None-Match", "An ETag that is known already.", '"0"', "header", {"type": "string"})
_SAME = Answer("What is known is what there is.", {}, "304", ("ETag",))
_CHANGES = many(STRING)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/requests/{request}/stop",
        GROUP,
        "End a request that runs",
        (
            Answer(
                "It is ended, whichever process serves it: `released_ms` is how long it took until its upstream was "
                "given up. Its client is told `stopped_by_operator`.",
                {
                    JSON: record(
                        {
                            "stopped": INTEGER,
                            "released_ms": NUMBER,
                            "requests": many(
                                record(
                                    {"id": STRING, "uid": STRING, "worker": INTEGER, "released_ms": NUMBER}
                                )
                            ),
                        }
                    )
                },
            ),
        ),
        (PREFIX,),
        'Where there are keys, for those with `admin: "write"`.',
        parameters=(Parameter("request", "Its `X-Request-Id`.", "3f0c"),),
        names=True,
    ),
    Operation(
        "GET",
        "/console",
        GROUP,
        "The console",
        (
            Answer(
                "A page that asks nobody but this gateway.",
                {"text/html; charset=utf-8": STRING},
                headers=("ETag",),
            ),
            _SAME,
        ),
        (ROOT,),
        parameters=(_TAG,),
        open=True,
    ),
    Operation(
        "GET",
        "/console/{file}",
        GROUP,
        "What belongs to the page",
        (Answer("Styles, scripts and pictures.", _FILE_TYPES, headers=("ETag",)), _SAME),
        (ROOT,),
        parameters=(Parameter("file", "Its name.", "console.css"), _TAG),
        names=True,
        open=True,
    ),
    Operation(
        "GET",
        "/console/session",
        GROUP,
        "Who is signed in",
        (Answer("Also where nobody is.", {JSON: ref("ConsoleSession")}),),
        (ROOT,),
        open=True,
    ),
    Operation(
        "POST",
        "/console/session",
        GROUP,
        "Sign in with a key",
        (
            Answer("The answer sets a cookie of twelve hours.", {}, "204"),
            Answer("No such key, or none that is valid (`invalid_api_key`).", {JSON: ref("Error")}, "401"),
        ),
        (ROOT,),
        body={JSON: record({"key": STRING})},
        example={"key": "lpk_..."},
        open=True,
    ),
    Operation(
        "DELETE",
        "/console/session",
        GROUP,
        "Sign out",
        (Answer("Nobody is signed in by this cookie any more.", {}, "204"),),
        (ROOT,),
        open=True,
    ),
    Operation(
        "GET",
        "/console/events",
        GROUP,
        "What runs and what changes",
        (
            Answer(
                "For as long as somebody looks: the events `status`, `running`, `ended` and `point`, at most four a second.",
                {EVENTS: OBJECT},
            ),
        ),
        (ROOT,),
    ),
    _get(
        "/console/api/history",
        "The last quarter of an hour",
        record({"step": INTEGER, "points": many(ref("ConsolePoint"))}),
    ),
    _get(
        "/console/api/requests",
        "Requests that have ended, newest first",
        record(
            {"rows": many(ref("ConsoleRequest")), "next": maybe(STRING), "source": one_of("memory", "usage")}
        ),
        _query("before", "The `next` of the page before.", ""),
        _query("limit", "From 1 to 500. Default 100.", "100"),
        _query("model", "Only those for this model.", ""),
        _query("provider", "Only those of this provider.", ""),
        _query("key", "Only those of this key.", ""),
        _query("status", "`ok`, `error`, `cancelled`, or a number.", "ok"),
    ),
    _get(
        "/console/api/requests/{request}",
        "One of them, with the head of its answer",
        ref("ConsoleRequest"),
        Parameter("request", "Its `X-Request-Id`.", "3f0c"),
        names=True,
    ),
    _get(
        "/console/api/health",
        "What is wrong now, in words",
        record(
            {
                "wrong": many(
                    record({"kind": one_of("bad", "warn"), "words": many({"type": ["string", "object"]})})
                )
            }
        ),
    ),
    _get(
        "/console/api/models",
        "Each deployment as it stands",
        record(
            {
                "rows": many(OBJECT),
                "next": maybe(STRING),
                "total": INTEGER,
                "matching": INTEGER,
                "names": many(OBJECT),
                "states": mapping(INTEGER),
            }
        ),
        _query("search", "A part of a name.", "llama"),
        _query(
            "state",
            "`ok`, `ejected`, `asleep`, `full`, `out`, or `trouble`: ejected, asleep or full.",
            "ok",
        ),
        _query("names", "How many of the names at most; 0: none. Default 1000.", "50"),
        _query("after", "The `next` of the page before.", "0"),
        _query("limit", "From 1 to 1000. Default 200.", "200"),
    ),
    _get(
        "/console/api/clients",
        "What to paste into each client program",
        record({"clients": many(OBJECT), "key": STRING, "model": STRING}),
        _query("url", "The gateway's address, as its clients reach it.", "http://127.0.0.1:8080"),
        _query("model", "A public name. Default: the first.", "demo"),
    ),
    Operation(
        "POST",
        "/console/api/compose",
        GROUP,
        "A conversation in the form of one API",
        (
            Answer(
                "What the page is to send, where the answer will say what, and the same to paste; nothing is sent.",
                {
                    JSON: record(
                        dict.fromkeys(("id", "path", "curl", "python"), STRING)
                        | {"body": OBJECT, "reads": OBJECT}
                    )
                },
            ),
        ),
        (ROOT,),
        body={
            JSON: record(
                {"url": STRING, "face": STRING, "model": STRING, "turns": many(OBJECT)},
                {
                    "stream": BOOLEAN,
                    "prompt": maybe(OBJECT),
                    "system": STRING,
                    "temperature": maybe(NUMBER),
                    "top_p": maybe(NUMBER),
                    "max_tokens": maybe(INTEGER),
                    "seed": maybe(INTEGER),
                    "stop": STRING,
                    "tools": STRING,
                    "extra": STRING,
                },
            )
        },
        example={
            "url": "http://127.0.0.1:8080",
            "face": "anthropic",
            "model": "demo",
            "turns": [{"role": "user", "text": "Hello!"}],
        },
    ),
    _get("/console/api/config", "The configuration file and its state", ref("ConsoleConfig")),
    Operation(
        "POST",
        "/console/api/config",
        GROUP,
        "Write the configuration file",
        (
            Answer(
                "It was written, and this is what became of it.",
                {
                    JSON: record(
                        {
                            "state": STRING,
                            "generation": INTEGER,
                            "hash": STRING,
                            "file_hash": STRING,
                            "changes": _CHANGES,
                        }
                    )
                },
            ),
            Answer(
                "The file is another by now (`conflict`): its hash and its text stand beside the message.",
                {JSON: ref("Error")},
                "409",
            ),
        ),
        (ROOT,),
        "Only with `LLM_PROXY_API_CONSOLE_WRITE=1`, and only a file that the loader takes.",
        body={JSON: record({"edit": _EDIT, "base": STRING})},
        example={"edit": {"generation": 3}, "base": "9f2b"},
        names=True,
    ),
    Operation(
        "POST",
        "/console/api/config/preview",
        GROUP,
        "What an edit would do",
        (
            Answer(
                "As the loader says it; nothing is written.",
                {
                    JSON: record(
                        {
                            "ok": BOOLEAN,
                            "problems": many(_PROBLEM),
                            "warnings": many(_PROBLEM),
                            "changes": _CHANGES,
                            "base": STRING,
                            "same": BOOLEAN,
                            "text": STRING,
                        }
                    )
                },
            ),
        ),
        (ROOT,),
        body={JSON: record({"edit": _EDIT})},
        example={"edit": {"weight": {"provider": "gpu-1", "model": "llama3.2", "weight": 0}}},
        names=True,
    ),
    _get(
        "/console/api/config/generations",
        "The last states of the configuration",
        record(
            {
                "generations": many(
                    record(
                        {
                            "generation": INTEGER,
                            "hash": STRING,
                            "file_hash": STRING,
                            "loaded_at": NUMBER,
                            "current": BOOLEAN,
                            "models": INTEGER,
                            "changes": maybe(_CHANGES),
                        }
                    )
                )
            }
        ),
    ),
    _get(
        "/console/api/config/diff",
        "What makes the difference between two states, in words",
        record({"from": INTEGER, "to": INTEGER, "changes": _CHANGES}),
        _query("from", "The number of a state.", "1"),
        _query("to", "The number of another.", "2"),
        names=True,
    ),
    _get(
        "/console/api/prompts/{prompt}",
        "The text of a prompt",
        record(
            {
                "id": STRING,
                "language": STRING,
                "ref": STRING,
                "hash": STRING,
                "text": STRING,
                "slots": many(STRING),
            }
        ),
        Parameter("prompt", "Its id, which may contain slashes.", "conversation"),
        _query("language", "A language code.", "en"),
        _query("ref", "A version. Default: the newest.", ""),
        names=True,
    ),
    _get(
        "/console/api/prompts/{prompt}/diff",
        "What makes the difference between two versions, line by line",
        record(
            {
                "id": STRING,
                "language": STRING,
                "from": STRING,
                "to": STRING,
                "lines": many(record({"op": one_of(" ", "-", "+"), "text": STRING})),
            }
        ),
        Parameter("prompt", "Its id, which may contain slashes.", "conversation"),
        _query("language", "A language code.", "en"),
        _query("from", "A version.", ""),
        _query("to", "Another.", ""),
        names=True,
    ),
    _get(
        "/console/api/money",
        "Keys, budgets with a forecast, and what was used",
        record(
            {
                "keys": many(ref("Key")),
                "budgets": many(ref("ConsoleBudget")),
                "usage": OBJECT,
                "days": many(OBJECT),
                "kept": one_of("memory", "disk"),
                "has_keys": BOOLEAN,
            }
        ),
        _SINCE,
    ),
    Operation(
        "GET",
        "/console/api/usage.csv",
        GROUP,
        "What was used, as a table",
        (Answer("The rows of `/usage`.", {"text/csv; charset=utf-8": STRING}),),
        (ROOT,),
        parameters=(
            _SINCE,
            _query("by", "Some of key, team, model, provider, face, day. Default key,model.", "key,model"),
        ),
    ),
)
