"""``$models``: what it means, what is wrong with it and where, and its changes in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.live.config.diff import diff
from llm_proxy.live.config.name_fields import NameRow
from llm_proxy.live.config.report import ConfigError
from llm_proxy.wire.policies import DEFAULT_POLICY, Fallback, Hedge, ModelPolicy, QueuePolicy
from tests.support.config_kit import CONTRACT, load, problem, problems

PROVIDERS: dict[str, Any] = {
    "ollama": {"llama3.2": {}, "qwen3": {}, "resting": {"active": False}},
    "openai": {"gpt-*": {}, "gpt-4o": {}},
}
KEYED = {"OPENAI_API_KEY": "planted-key"}


def document(**names: Any) -> dict[str, Any]:
    """With these rows of ``$models``."""
    return {"$models": names, **PROVIDERS}


def test_everything_at_once() -> None:
    """The sample of the documentation means what it says."""
    config = load(
        {
            **CONTRACT,
            "$models": {
                "llama3.2": {
                    "policy": "weighted",
                    "retries": 3,
                    "fallbacks": ["qwen3", {"model": "gpt-4o", "on": ["context_length", "auth"]}],
                    "queue": {"size": 10},
                    "affinity": "session",
                    "hedge": {"after": "p95", "max_share": 0.1},
                    "on_break": "continue",
                    "$comment": "mine",
                },
                "qwen3": {"queue": None, "hedge": {"after": 2}},
                "fast": {"alias": "llama3.2"},
                "*": {"retries": 1, "queue": {"wait": 5}},
            },
        },
        env=KEYED,
    )

    names = config.names
    assert names.policy("llama3.2") == ModelPolicy(
        policy="weighted",
        retries=3,
        fallbacks=(Fallback("qwen3"), Fallback("gpt-4o", frozenset({"context_length", "auth"}))),
        queue=QueuePolicy(10, 5.0),
        affinity="session",
        hedge=Hedge("p95", 0.1),
        on_break="continue",
    )
    assert names.policy("qwen3") == ModelPolicy(retries=1, queue=None, hedge=Hedge(2.0))
    assert names.policy("gpt-4o") == ModelPolicy(retries=1, queue=QueuePolicy(wait=5.0))
    assert dict(names.aliases) == {"fast": "llama3.2"}
    assert config.warnings == ()
    assert load(CONTRACT, env=KEYED).names.policy("llama3.2") == DEFAULT_POLICY


def test_patterns_of_names() -> None:
    """A row of its own wins, then the pattern with the longest fixed part, then what holds for all; ``*`` lies under each."""
    names = load(
        document(
            **{
                "gpt-*": {"retries": 4},
                "gpt-4*": {"retries": 5, "affinity": None},
                "gpt-4o": {"on_break": "continue"},
                "*": {"affinity": "off"},
            }
        )
    ).names

    assert names.policy("gpt-4o") == ModelPolicy(on_break="continue", affinity="off")
    assert names.policy("gpt-4x") == ModelPolicy(retries=5)
    assert names.policy("gpt-3") == ModelPolicy(retries=4, affinity="off")
    assert names.policy("llama3.2") == ModelPolicy(affinity="off")


@pytest.mark.parametrize(
    ("names", "path", "words"),
    [
        ({"llama3.2": {"retry": 1}}, "$models.llama3.2.retry", 'did you mean "retries"?'),
        ({"llama3.2": {"retries": "2"}}, "$models.llama3.2.retries", "must be a whole number"),
        ({"llama3.2": {"retries": True}}, "$models.llama3.2.retries", "must be a whole number"),
        ({"llama3.2": {"policy": "random"}}, "$models.llama3.2.policy", "'balanced' or 'weighted'"),
        ({"llama3.2": {"fallbacks": "qwen3"}}, "$models.llama3.2.fallbacks", "must be a list"),
        ({"llama3.2": {"fallbacks": [7]}}, "$models.llama3.2.fallbacks.0", "must be an object"),
        (
            {"llama3.2": {"fallbacks": [{"on": ["auth"]}]}},
            "$models.llama3.2.fallbacks.0.model",
            "is required",
        ),
        (
            {"llama3.2": {"fallbacks": [{"model": "qwen3", "on": ["timeout"]}]}},
            "$models.llama3.2.fallbacks.0.on.0",
            "'rate_limit'",
        ),
        (
            {"llama3.2": {"fallbacks": [{"model": "qwen3", "on": []}]}},
            "$models.llama3.2.fallbacks.0.on",
            "at least 1",
        ),
        ({"llama3.2": {"queue": {"size": 0}}}, "$models.llama3.2.queue.size", "greater than or equal to 1"),
        ({"llama3.2": {"queue": {"wait": 0}}}, "$models.llama3.2.queue.wait", "greater than 0"),
        ({"llama3.2": {"queue": 5}}, "$models.llama3.2.queue", "must be an object"),
        ({"llama3.2": {"hedge": {"after": "p99"}}}, "$models.llama3.2.hedge.after", '"p95"'),
        ({"llama3.2": {"hedge": {"max_share": 0.1}}}, "$models.llama3.2.hedge.after", "is required"),
        (
            {"llama3.2": {"hedge": {"after": 1, "max_share": 2}}},
            "$models.llama3.2.hedge.max_share",
            "less than",
        ),
        ({"llama3.2": {"on_break": True}}, "$models.llama3.2.on_break", "'cut' or 'continue'"),
        ({"llama3.2": []}, "$models.llama3.2", "must be an object of fields"),
        ({"fast": {"alias": "llama3.2", "retries": 1}}, "$models.fast.retries", 'no meaning beside "alias"'),
        ({"fast": {"alias": "lama3.2"}}, "$models.fast.alias", 'did you mean "llama3.2"?'),
        ({"fast": {"alias": "fast"}}, "$models.fast.alias", "leads back to itself: fast -> fast"),
        ({"*": {"alias": "llama3.2"}}, "$models.*.alias", "cannot be an alias"),
        ({"llama3.2": {"alias": "qwen3"}}, "$models.llama3.2", "an alias needs a name of its own"),
        (
            {"lama3.2": {"retries": 1}},
            "$models.lama3.2",
            'no provider has this model; did you mean "llama3.2"?',
        ),
        ({"llama3.2": {"fallbacks": ["qwen"]}}, "$models.llama3.2.fallbacks.0", 'did you mean "qwen3"?'),
        (
            {"llama3.2": {"fallbacks": [{"model": "nowhere/x"}]}},
            "$models.llama3.2.fallbacks.0.model",
            "names no model that can be asked for",
        ),
        ({"llama3.2": {"fallbacks": ["llama3.2"]}}, "$models.llama3.2.fallbacks.0", "llama3.2 -> llama3.2"),
    ],
)
def test_problems(names: dict[str, Any], path: str, words: str) -> None:
    """Each mistake is one problem with its place and what is allowed."""
    found = problem(document(**names))

    assert (found.path, found.line > 2) == (path, True)
    assert words in found.message


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("$model", 'did you mean "$models"?'),
        ("$providers", "known are $comment..., $models, $schema"),
        ("$", "are reserved"),
        ("$MODELS", 'did you mean "$models"?'),
    ],
)
def test_reserved_keys(key: str, words: str) -> None:
    """No provider may have a name that begins with ``$``: such keys are ours."""
    found = problem({key: {"m": {}}, **PROVIDERS})

    assert found.path == key
    assert words in found.message


def test_rows_must_be_an_object() -> None:
    assert problem({"$models": [], **PROVIDERS}).path == "$models"
    assert problem({"$models": {}}).message == "no provider is configured"


@pytest.mark.parametrize(
    "names",
    [
        {"a": ["b"], "b": ["a"]},
        {"a": ["b"], "b": ["c"], "c": ["x", "a"]},
        {"a": ["short"], "short": "b", "b": ["a"]},
        {"a": ["far"], "far": "farther", "farther": "a"},
        {"b": ["gpt-1"], "gpt-*": ["b"]},
        {"gpt-*": ["gpt-x", "b"], "b": ["gpt-y"]},
    ],
)
def test_circles(names: dict[str, Any]) -> None:
    """Whatever way leads back to where it began, through aliases and patterns too, is told where it begins."""
    rows = {
        key: {"alias": value} if isinstance(value, str) else {"fallbacks": value}
        for key, value in names.items()
    }
    providers: dict[str, Any] = {"ollama": {"a": {}, "b": {}, "c": {}, "x": {}}, "openai": {"gpt-*": {}}}
    found = problems({"$models": rows, **providers})

    assert len(found) == 1
    assert "leads back to itself" in found[0].message


@pytest.mark.parametrize(
    "names",
    [
        {"*": ["b", "a"]},
        {"*": ["b"], "b": ["c"]},
        {"gpt-*": ["gpt-1", "a"]},
        {"a": ["b", "c"], "b": ["c"]},
        {"a": ["ollama/a"]},
        {"a": ["ollama/b"], "b": ["a"]},
    ],
)
def test_no_circles(names: dict[str, list[str]]) -> None:
    """What holds for all, or for a pattern, may name one of them; what is chosen with its provider has no fallbacks."""
    rows = {key: {"fallbacks": value} for key, value in names.items()}
    providers: dict[str, Any] = {"ollama": {"a": {}, "b": {}, "c": {}}, "openai": {"gpt-*": {}}}

    load({"$models": rows, **providers})


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        ({"gpt-5": {"retries": 1}}, ["$models.gpt-5"]),
        ({"fast": {"alias": "gpt-5"}}, ["$models.fast.alias"]),
        (
            {"llama3.2": {"fallbacks": ["gpt-5", "openai/gpt-6"]}},
            ["$models.llama3.2.fallbacks.0", "$models.llama3.2.fallbacks.1"],
        ),
        ({"llama3.2": {"fallbacks": ["resting"]}}, ["$models.llama3.2.fallbacks.0"]),
        ({"resting": {"alias": "qwen3"}}, []),
        (
            {
                "llama3.2": {"fallbacks": ["openai/gpt-4o"]},
                "gpt-*": {"retries": 0},
                "claude*": {"alias": "qwen3"},
            },
            [],
        ),
    ],
)
def test_warnings(names: dict[str, Any], paths: list[str]) -> None:
    """A name that only a pattern serves, or that is out of use, may be meant: a warning."""
    assert [warning.path for warning in load(document(**names)).warnings] == paths


def test_a_broken_provider_makes_one_problem() -> None:
    """What refers to the models of a provider that is wrong is not wrong for that."""
    found = problem(
        {"$models": {"m": {"fallbacks": ["n"]}}, "box": {"defaults": {"api_type": "vllm"}, "m": {}, "n": {}}}
    )

    assert found.path == "box"


def test_no_value_is_told() -> None:
    """A name that came from the environment is in no problem, no warning and no sentence about an edit."""
    secret = "planted-secret-name"
    found = problems(
        document(fast={"alias": "${NAME}"}, **{"llama3.2": {"fallbacks": ["${NAME}"]}}), env={"NAME": secret}
    )
    assert len(found) == 2
    assert secret not in str(found)
    rows = {"a": {"fallbacks": ["${B}"]}, "gpt-*": {"fallbacks": ["a"]}}
    providers: dict[str, Any] = {"ollama": {"a": {}}, "openai": {"gpt-*": {}}}
    (circle,) = problems({"$models": rows, **providers}, env={"B": "gpt-secret"})
    assert "gpt-secret" not in str(circle)
    old = load(document(fast={"alias": "${NAME}"}), env={"NAME": "qwen3"})
    new = load(document(fast={"alias": "${NAME}"}), env={"NAME": "llama3.2"})
    assert words(old, new) == ["$models fast: alias changed"]


def words(old: Any, new: Any) -> list[str]:
    return diff(old.deployments, new.deployments, {}, {}, old.names.rows, new.names.rows)


def test_changes_in_words() -> None:
    """Each changed field of each row, added and removed rows."""
    old = document(
        **{
            "llama3.2": {"retries": 1, "queue": {"size": 5}, "fallbacks": ["qwen3"], "hedge": {"after": 1}},
            "qwen3": {"affinity": "off"},
            "fast": {"alias": "qwen3"},
        }
    )
    new = document(
        **{
            "llama3.2": {
                "retries": 2,
                "queue": {"size": 6, "wait": 2.5},
                "fallbacks": ["gpt-4o", {"model": "qwen3", "on": ["auth", "unavailable"]}],
                "hedge": None,
            },
            "fast": {"alias": "llama3.2"},
            "*": {"retries": 0},
        }
    )

    assert words(load(old), load(new)) == [
        "$models * added: retries unset -> 0",
        "$models fast: alias qwen3 -> llama3.2",
        (
            "$models llama3.2: fallbacks qwen3 -> gpt-4o/model qwen3 on auth/unavailable, hedge after 1 -> none, "
            "queue.size 5 -> 6, queue.wait unset -> 2.5, retries 1 -> 2"
        ),
        "$models qwen3 removed",
    ]
    assert words(load(old), load(old)) == []


def test_changes_of_a_model_in_words() -> None:
    """The fields of a row that routing reads."""
    old = load({"ollama": {"m": {"order": 1, "limits": {"rpm": 5}}}})
    new = load(
        {"ollama": {"m": {"max_concurrent": 3, "limits": {"tpm": 9}, "load": "none", "prefill": False}}}
    )

    assert words(old, new) == [
        (
            "model m: order 1 -> 0, max_concurrent unset -> 3, load auto -> none, prefill unset -> false, "
            "limits.rpm 5 -> unset, limits.tpm unset -> 9"
        )
    ]


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"model": "gpt-*"}, "p.m.model"),
        ({"order": 1.5}, "p.m.order"),
        ({"max_concurrent": 0}, "p.m.max_concurrent"),
        ({"max_concurrent": True}, "p.m.max_concurrent"),
        ({"limits": {"rpm": 0}}, "p.m.limits.rpm"),
        ({"limits": {"rps": 1}}, "p.m.limits.rps"),
        ({"limits": 5}, "p.m.limits"),
        ({"load": "never"}, "p.m.load"),
        ({"prefill": 1}, "p.m.prefill"),
        ({"retries": 1}, "p.m.retries"),
    ],
)
def test_problems_of_a_model(row: dict[str, Any], path: str) -> None:
    """The new fields are as strict as the old ones; what belongs to a name says so."""
    found = problem({"p": {"defaults": {"api_type": "vllm", "api_host": "http://x/v1"}, "m": row}})

    assert found.path == path
    if "retries" in row:
        assert 'in "$models"' in found.message


def test_capabilities_by_themselves() -> None:
    """``auto`` is what holds where nothing is said, and undoes what ``defaults`` say."""
    rows = {"defaults": {"capabilities": ["completion"]}, "a": {}, "b": {"capabilities": "auto"}}
    found = {row.name: row.capabilities for row in load({"ollama": rows}).deployments}

    assert found == {"a": ("completion",), "b": None}
    assert "must be" in problem({"ollama": {"m": {"capabilities": "all"}}}).message
    assert "'vision'" in problem({"ollama": {"m": {"capabilities": ["sight"]}}}).message


def test_stars_of_the_upstreams_name() -> None:
    """The upstream's name of a pattern has as many stars as the pattern, or none."""
    rows = {"a-*": {"model": "*-x"}, "b-*": {"model": "one"}, "c-*-*": {"model": "*/*"}}
    load({"ollama": rows})
    for key in ("a-*-*", "c"):
        assert problem({"ollama": {key: {"model": "*-x"}}}).path == f"ollama.{key}.model"


def test_many_rows_are_quick_to_judge() -> None:
    """Thousands of rows that all refer to what is not there are told up to twenty."""
    names = {f"m{n}": {"fallbacks": [f"n{n}", f"m{n + 1}"]} for n in range(3000)}
    found = problems({"$models": names, "ollama": {f"m{n}": {} for n in range(3001)}})

    assert len(found) == 21
    assert json.dumps([str(item) for item in found]).count("names no model") == 20


def test_the_contracts_sample() -> None:
    """Where only patterns serve, every name that is referred to is a warning, and all of it works."""
    config = load(
        {
            "$models": {
                "llama3.2": {
                    "policy": "balanced",
                    "retries": 2,
                    "fallbacks": ["qwen3", {"model": "gpt-4o-mini", "on": ["context_length", "unavailable"]}],
                    "queue": {"size": 256, "wait": 30},
                    "affinity": "auto",
                    "hedge": None,
                    "on_break": "cut",
                },
                "fast": {"alias": "llama3.2"},
                "*": {"retries": 1},
            },
            "ollama": {"*": {}},
            "openai": {"defaults": {"api_token": "${OPENAI_API_KEY}"}, "gpt-*": {}},
        },
        env=KEYED,
    )

    assert len(config.warnings) == 4
    assert config.names.policy("llama3.2").retries == 2
    assert config.names.policy("anything").retries == 1


@pytest.mark.parametrize("name", ["llama3.2", "*"])
@pytest.mark.parametrize("text", ["${NOBODY}", "x${NOBODY}", "${file:/nowhere}", "x${ODD}", "${", "${ODD}"])
def test_a_value_that_cannot_be_filled_in_is_a_problem_of_its_place(text: str, name: str) -> None:
    """In every field and below it: told once, and no row is made of it; the rows beside it are judged all the same."""
    fields: dict[str, Any] = {
        "alias": text,
        "policy": text,
        "retries": text,
        "fallbacks": [text],
        "queue": {"size": text},
        "affinity": text,
        "hedge": {"after": text},
        "on_break": text,
    }
    assert fields.keys() == NameRow.model_fields.keys()
    for field, value in fields.items():
        for row in ({field: value}, {field: [value]}, {field: {"model": text, "on": [text]}}):
            with pytest.raises(ConfigError) as found:
                load(document(**{name: row, "qwen3": {"retries": -1}}), env={"ODD": "a\udcff\n"})
            paths = [told.path for told in found.value.problems]
            assert any(path.startswith(f"$models.{name}.{field}") for path in paths), (row, paths)
            assert "$models.qwen3.retries" in paths
            assert len(paths) == len(set(paths))
