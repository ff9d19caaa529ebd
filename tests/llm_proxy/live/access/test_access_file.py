"""access.json: what is taken, what is refused and how, how an edit is told, and edits by the command line."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from llm_proxy.live.access.edit import EditError, added, edit, removed, rotated
from llm_proxy.live.access.loader import load_access
from llm_proxy.live.access.schema import json_schema, render
from llm_proxy.live.access.secrets import digest_of, hash_text, new_key
from llm_proxy.live.access.words import changes
from llm_proxy.live.config.report import ConfigError

ROOT = Path(__file__).resolve().parents[4]
HASH = hash_text(digest_of("a"))
EXAMPLE: dict[str, Any] = {
    "$schema": "access.schema.json",
    "keys": {
        "alice-laptop": {
            "$comment": "hers",
            "hash": [HASH, hash_text(digest_of("b"))],
            "team": "research",
            "models": ["llama3.2", "gpt-*"],
            "limits": {"rpm": 60, "concurrent": 8, "tpd": {"limit": 1000, "burst": 10}},
            "budgets": ["research-month"],
            "expires": "2027-01-31",
            "priority": "interactive",
            "active": True,
            "metadata": {"cost-centre": "4711"},
        },
        "grafana": {"hash": hash_text(digest_of("c")), "admin": "read"},
    },
    "teams": {"research": {"models": ["*"], "limits": {"tpm": 200000}, "budgets": ["company"]}},
    "models": {"gpt-4o": {"limits": {"tpm": 500000}}},
    "budgets": {
        "research-month": {"usd": 200, "per": "month", "zone": "Europe/Warsaw", "warn": [0.8]},
        "company": {"usd": 5000, "per": "month"},
        "trial": {"usd": 5, "per": "30d", "scope": "each"},
    },
    "prices": {
        "llama3.2": {"input": 0, "output": 0},
        "gpt-4o": {"input": 2.5, "output": 10, "cache_read": 1.25},
    },
}


def load(document: Any) -> Any:
    return load_access(json.dumps(document, indent=1).encode(), "access.json")


def with_(path: str, value: Any) -> dict[str, Any]:
    """The example with one value changed."""
    found = json.loads(json.dumps(EXAMPLE))
    *way, last = path.split("/")
    place = found
    for step in way:
        place = place.setdefault(step, {})
    place[last] = value
    return dict(found)


def test_the_example() -> None:
    """Every field of the contract is understood, and the published schema takes it."""
    access = load(EXAMPLE)
    grant = access.grant(digest_of("b"))

    assert (grant.name, grant.team_name, grant.priority) == ("alice-laptop", "research", "interactive")
    assert [limit.kind for limit in grant.terms.limits] == ["rpm", "tpd", "concurrent"]
    assert grant.allows("gpt-4o")
    assert not grant.allows("claude")
    assert access.budgets["trial"].rolling == 30 * 86400
    assert access.budgets["research-month"].limit == 200_000_000
    Draft202012Validator(json_schema()).validate(EXAMPLE)


def test_the_shipped_schema_is_current() -> None:
    """``make schema`` has been run."""
    assert (ROOT / "resources" / "configs" / "access.schema.json").read_text() == render()


BAD = [
    ("key", {}, 'did you mean "keys"'),
    ("keys/grafana/hash", "lpk_secret", "64 hexadecimal digits"),
    ("keys/grafana/hash", [], "list of two"),
    ("keys/grafana/hash", [HASH] * 3, "list of two"),
    ("keys/grafana/hash", HASH, "stands twice"),
    ("keys/grafana/hsh", HASH, 'did you mean "hash"'),
    ("keys/grafana/team", "reserch", 'did you mean "research"'),
    ("keys/grafana/budgets", ["trail"], 'did you mean "trial"'),
    ("keys/grafana/models", "gpt-*", "list of names"),
    ("keys/grafana/models", [""], "printable"),
    ("keys/grafana/limits", {"rpm": 0}, "from 1 to"),
    ("keys/grafana/limits", {"rpm": True}, "from 1 to"),
    ("keys/grafana/limits", {"rpm": 1.5}, "from 1 to"),
    ("keys/grafana/limits", {"rpm": {"limit": 1, "burst": 2}}, "burst must not be more"),
    ("keys/grafana/limits", {"rpm": {"burst": 2}}, "must be a number, or"),
    ("keys/grafana/limits", {"rps": 2}, "known are rpm, tpm"),
    ("keys/grafana/expires", "2027-02-30", "must be a date"),
    ("keys/grafana/expires", "2027-01-01T00:00:00", "with its zone"),
    ("keys/grafana/expires", 5, "must be a date"),
    ("keys/grafana/priority", "high", "interactive"),
    ("keys/grafana/admin", True, "read"),
    ("keys/grafana/active", "no", "true or false"),
    ("keys/gra\nfana", {}, "printable"),
    ("teams/research/priority", "bulk", "unknown field"),
    ("budgets/trial/usd", -1, "greater than or equal"),
    ("budgets/trial/usd", "5", "must be a number"),
    ("budgets/trial/per", "fortnight", "hour, day, week, month"),
    ("budgets/trial/per", "0d", "hour, day, week, month"),
    ("budgets/trial/zone", "Europe/Warszawa", "time zone"),
    ("budgets/trial/zone", "../../etc/passwd", "time zone"),
    ("budgets/trial/warn", [1.5], "less than or equal"),
    ("prices/x", {"input": 1}, "is required"),
    ("keys", [], "must be an object"),
    ("keys/grafana", "x", "must be an object"),
]


@pytest.mark.parametrize(("path", "value", "words"), BAD)
def test_problems(path: str, value: Any, words: str) -> None:
    """Each is told with its line, its path and what is allowed, and never with a value of the file."""
    with pytest.raises(ConfigError) as caught:
        load(with_(path, value))
    told = str(caught.value)
    assert words in told
    assert "access.json: line " in told
    assert "lpk_secret" not in told
    assert HASH[7:] not in told


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"keys": {}, "keys": {}}', b"\xff", b'{"a": NaN}', b"// x"]
)
def test_texts_that_are_none(data: bytes) -> None:
    """The same strictness as for the models."""
    with pytest.raises(ConfigError):
        load_access(data, "access.json")


SAID = [
    ("keys/alice-laptop/budgets", ["trial"], ["key alice-laptop: budget research-month -> trial"]),
    ("keys/alice-laptop/hash", HASH, ["key alice-laptop: hash changed"]),
    ("keys/grafana/hash", hash_text(digest_of("z")), ["key grafana: hash changed"]),
    ("keys/alice-laptop/models", [], ["key alice-laptop: models llama3.2 and gpt-* -> none"]),
    ("keys/alice-laptop/active", False, ["key alice-laptop: active true -> false"]),
    (
        "keys/alice-laptop/limits",
        {"rpm": 30},
        [
            "key alice-laptop: limits.concurrent 8 -> unset, limits.rpm 60 -> 30, limits.tpd 1000 (burst 10) -> unset"
        ],
    ),
    ("keys/bob", {"hash": hash_text(digest_of("z"))}, ["key bob added"]),
    (
        "keys/bob",
        {"hash": hash_text(digest_of("z")), "admin": "write", "budgets": ["trial"], "limits": {"rpm": 5}},
        ["key bob added: admin write, budget trial, limits.rpm 5"],
    ),
    ("budgets/trial/usd", 5.000001, ["budget trial: usd 5 -> 5.000001"]),
    ("budgets/company/usd", 2500000.25, ["budget company: usd 5000 -> 2500000.25"]),
    ("prices/gpt-4o/output", 0.0000015, ["price of gpt-4o: output 10 -> 0.0000015"]),
    ("prices/m", {"input": 0, "output": 1.25}, ["price of m added: input 0, output 1.25"]),
    ("keys/grafana/priority", "bulk", ["key grafana: priority default -> bulk"]),
    ("keys/grafana/expires", "2027-01-31", ["key grafana: expires never -> 2027-01-31"]),
    ("keys/grafana/models", ["p/m", "x"], ["key grafana: models all -> p/m and x"]),
    ("budgets/trial/warn", [0.5, 0.9], ["budget trial: warn unset -> 0.5 and 0.9"]),
    ("budgets/trial/zone", "Europe/Warsaw", ["budget trial: zone UTC -> Europe/Warsaw"]),
    ("teams/research/models", ["x"], ["team research: models * -> x"]),
    ("budgets/trial/usd", 6, ["budget trial: usd 5 -> 6"]),
    ("models/gpt-4o/limits", {"tpm": 1}, ["limits of model gpt-4o: limits.tpm 500000 -> 1"]),
    (
        "prices/gpt-4o",
        {"input": 3, "output": 10},
        ["price of gpt-4o: cache_read 1.25 -> unset, input 2.5 -> 3"],
    ),
]


@pytest.mark.parametrize(("path", "value", "said"), SAID)
def test_an_edit_in_words(path: str, value: Any, said: list[str]) -> None:
    """What was added, removed, changed; of a hash only that it did."""
    told = list(changes(load(EXAMPLE), load(with_(path, value))))
    assert told == said
    assert "sha256" not in told[0]
    assert HASH[7:] not in told[0]
    assert list(changes(load(EXAMPLE), load(EXAMPLE))) == []


def test_a_key_by_another_name() -> None:
    """Is told as that, with what else has changed; not where it has another hash too."""
    renamed = with_("keys/alice-pc", {**EXAMPLE["keys"]["alice-laptop"], "expires": "2028-01-31"})
    del renamed["keys"]["alice-laptop"]
    other = with_("keys/alice-pc", {"hash": hash_text(digest_of("z"))})
    del other["keys"]["alice-laptop"]

    assert list(changes(load(EXAMPLE), load(renamed))) == [
        "key alice-pc: was key alice-laptop, expires 2027-01-31 -> 2028-01-31"
    ]
    assert list(changes(load(EXAMPLE), load(other))) == ["key alice-laptop removed", "key alice-pc added"]


def test_edits_keep_the_layout(tmp_path: Path) -> None:
    """Whatever was there stands there byte for byte; what comes out says what went in and the one change."""
    chance = random.Random(13)
    texts = [
        '{"keys":{}}',
        "{}",
        '{\n\t"keys": {\n\t}\n}\n',
        '{"teams": {}}',
        json.dumps(EXAMPLE, indent=4) + "\n",
        json.dumps(EXAMPLE),
        '{"keys": {"a}": {"hash": "' + HASH + '", "metadata": {"x": "}{\\"\\\\"}} } , "$comment": "}"}',
    ]
    for text in texts:
        before = json.loads(text)
        names = []
        for number in range(4):
            name = f'key {number} "ü'
            row = {"hash": hash_text(digest_of(new_key())), "models": ["a,b", "}"]}
            text = added(text, name, row)
            before.setdefault("keys", {})[name] = row
            names.append(name)
            assert json.loads(text) == before
        newest = hash_text(digest_of(new_key()))
        for _ in range(2):
            text = rotated(text, names[1], newest)
        before["keys"][names[1]]["hash"] = [newest, newest]
        assert json.loads(text) == before
        for name in chance.sample(list(before["keys"]), len(before["keys"])):
            text = removed(text, name)
            del before["keys"][name]
            assert json.loads(text) == before
        with pytest.raises(EditError, match="no key of that name"):
            removed(text, names[0])


def test_an_edit_is_one_step(tmp_path: Path) -> None:
    """A bad one changes nothing and leaves nothing; the mode stays, a link stays a link."""
    file, link = tmp_path / "real.json", tmp_path / "link.json"
    file.write_text(json.dumps(EXAMPLE))
    file.chmod(0o640)
    link.symlink_to(file)
    with pytest.raises(EditError):
        edit(link, "x", lambda text: added(text, "x", {"hash": "no"}))
    assert json.loads(file.read_text()) == EXAMPLE
    edit(link, "grafana", lambda text: removed(text, "grafana"))

    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(json.loads(file.read_text())["keys"]) == ["alice-laptop"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "real.json"]
