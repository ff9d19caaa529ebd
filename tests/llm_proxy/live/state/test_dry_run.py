"""What a gateway tells about its configuration: enough to compare an edit, and nothing that must stay inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.live.state.dry_run import differences, tell
from llm_proxy.live.state.snapshot import Snapshot, describe, load_snapshot
from tests.support.secrets import OTHER_UPSTREAM_KEY, UPSTREAM_KEY, assert_no_secret
from tests.support.world import World, put

SALT = "5a17"
HOST = "http://hidden-host.internal:8000/v1"
OLD: dict[str, Any] = {
    "openai": {
        "defaults": {"api_token": "${KEY}", "headers": {"X-Org": "planted-org"}},
        "m": {
            "weight": 1,
            "options": {"temperature": 0.2, "stop": ["planted-stop"], "user": "planted-user", "seed": 1},
            "languages": ["en", "pl"],
            "timeouts": {"idle": 30},
        },
        "gone": {"prompt": "a"},
    },
    "box": {"defaults": {"api_type": "vllm", "api_host": HOST}, "m": {"active": False}},
    "demo": {"demo": {}},
}


def snapshot(folder: Path, config: dict[str, Any], key: str = UPSTREAM_KEY, **prompts: str) -> Snapshot:
    world = World(folder, env={"KEY": key}, make=False)
    put(world.config, json.dumps(config))
    for name, text in (prompts or {"a": "planted prompt"}).items():
        put(world.prompt(f"en/{name}"), text)
    return load_snapshot(world.sources)


def sent(state: Snapshot, salt: str = SALT) -> dict[str, Any]:
    """What arrives at the other end."""
    found: dict[str, Any] = json.loads(json.dumps(tell(state, salt)))
    return found


def edited(**changes: Any) -> dict[str, Any]:
    """The configuration with other fields of ``m``."""
    config: dict[str, Any] = json.loads(json.dumps(OLD))
    config["openai"]["m"].update(changes)
    return config


@pytest.mark.parametrize("salt", [SALT, ""])
def test_nothing_leaves_that_must_stay(tmp_path: Path, salt: str) -> None:
    """No host, key, header, text of an option or of a prompt, with a salt or without."""
    told = json.dumps(sent(snapshot(tmp_path, OLD), salt))

    assert_no_secret(told)
    for text in ("hidden-host", "planted-org", "planted-stop", "planted-user", "planted prompt", "127.0.0.1"):
        assert text not in told


def test_digits_change_with_the_salt(tmp_path: Path) -> None:
    """They cannot be collected, nor compared with another gateway's."""
    state = snapshot(tmp_path, OLD)
    tokens = {sent(state, salt)["models"][0]["token"]["masked"] for salt in ("a", "b", "c")}

    assert len(tokens) == 3


def test_no_difference(tmp_path: Path) -> None:
    """The same files are the same, although the demo model has another address in each process."""
    old = snapshot(tmp_path / "a", OLD)
    new = snapshot(tmp_path / "b", OLD)

    assert differences(sent(old), new) == []
    assert differences(sent(old, ""), new) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"weight": 3}, "model m of openai: weight 1 -> 3"),
        ({"options": {"temperature": 0.4}}, None),
        ({"languages": ["en"]}, "model m of openai: languages en/pl -> en"),
        ({"timeouts": {"idle": 60}}, "model m of openai: timeouts.idle 30 -> 60"),
        ({"keep_alive": "5m"}, "model m of openai: keep_alive unset -> 5m"),
        ({"api_host": HOST}, "model m of openai: api_host changed"),
        ({"headers": {"X-Org": "other"}}, "model m of openai: header X-Org changed"),
        ({"headers": {"X-New": "n"}}, "model m of openai: header X-New added"),
        ({"prompt": "a"}, "model m of openai: prompt unset -> a"),
    ],
)
def test_the_words_are_those_of_the_log(tmp_path: Path, change: dict[str, Any], line: str | None) -> None:
    """What is told from afar reads as what the process itself says after the edit."""
    old, new = snapshot(tmp_path / "a", OLD), snapshot(tmp_path / "b", edited(**change))
    found = differences(sent(old), new)

    assert found == describe(old, new)
    assert line is None or found == [line]


def test_options(tmp_path: Path) -> None:
    """Numbers are shown, texts only as changed."""
    options = {"temperature": 0.4, "stop": ["planted-other"], "user": "planted-user", "seed": 1, "top_k": 5}
    old, new = snapshot(tmp_path / "a", OLD), snapshot(tmp_path / "b", edited(options=options))

    assert differences(sent(old), new) == [
        "model m of openai: option stop changed, temperature 0.2 -> 0.4, top_k unset -> 5"
    ]


def test_a_key_that_is_rotated(tmp_path: Path) -> None:
    """It is seen with a salt, and not without."""
    old, new = snapshot(tmp_path / "a", OLD), snapshot(tmp_path / "b", OLD, OTHER_UPSTREAM_KEY)

    assert differences(sent(old), new) == [
        "model gone: api_token changed",
        "model m of openai: api_token changed",
    ]
    assert differences(sent(old, ""), new) == []


def test_what_is_added_and_removed(tmp_path: Path) -> None:
    """Models and prompts."""
    config = edited()
    config["openai"]["new"] = config["openai"].pop("gone")
    old = snapshot(tmp_path / "a", OLD, a="one", b="two")
    new = snapshot(tmp_path / "b", config, a="changed", c="three")
    hashes = [state.prompts.prompts["a", "en"].hash[:8] for state in (old, new)]

    assert differences(sent(old), new) == [
        "model gone of openai removed",
        "model new of openai added",
        f"prompt a (en) {hashes[0]} -> {hashes[1]}",
        "prompt b (en) removed",
        "prompt c (en) added",
    ]


def test_a_later_version(tmp_path: Path) -> None:
    """Fields that we do not know yet are left out."""
    state = snapshot(tmp_path, OLD)
    told = sent(state)
    for row in told["models"]:
        row["invented_later"] = {"deep": 1}

    assert differences(told, state) == []


@pytest.mark.parametrize("told", [{}, {"salt": ""}, {"salt": "", "models": [1], "prompts": []}, {"salt": 1}])
def test_the_answer_of_something_else(tmp_path: Path, told: dict[str, Any]) -> None:
    """It is refused as such."""
    with pytest.raises(ValueError, match="not the answer"):
        differences(told, snapshot(tmp_path, OLD))


def test_names_are_compared(tmp_path: Path) -> None:
    """What ``$models`` says is told and compared; what came from the environment is only seen to differ. So are the fields of
    a model that routing reads."""
    old = edited(order=1, limits={"rpm": 5})
    old["$models"] = {"fast": {"alias": "m"}, "m": {"fallbacks": ["gone"], "retries": 1}}
    new = edited(order=2, limits={"rpm": 6}, max_concurrent=3)
    new["$models"] = {"fast": {"alias": "${TARGET}"}, "m": {"retries": 2}}
    before = snapshot(tmp_path, old)
    told = sent(before)
    world = World(tmp_path, env={"KEY": UPSTREAM_KEY, "TARGET": "gone"}, make=False)
    put(world.config, json.dumps(new))
    after = load_snapshot(world.sources)

    assert differences(told, before) == []
    assert differences(told, after) == [
        "model m of openai: order 1 -> 2, max_concurrent unset -> 3, limits.rpm 5 -> 6",
        "$models fast: alias changed",
        "$models m: fallbacks gone -> unset, retries 1 -> 2",
    ]
    assert json.dumps(sent(after)["names"]["fast"]) != json.dumps({"alias": "gone"})
    assert not [name for row in told["models"] for name in row if name.startswith("_")]
