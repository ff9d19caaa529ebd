"""Loading an edited file: what did not change is taken over, and the result is that of a first load."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.live.config.loader import Config, ConfigError
from tests.support.config_kit import CONTRACT, load
from tests.support.fuzz import fuzz

ENV = {"OPENAI_API_KEY": "sk-1"}


def rows(config: Config) -> dict[tuple[str, str], Any]:
    """The deployments by provider and name."""
    return {(d.provider, d.name): d for d in config.deployments}


def test_only_what_changed_is_built() -> None:
    """An edit of one model leaves the very objects of the others in place, in the order of the text."""
    first = load(CONTRACT, ENV)
    edited: dict[str, Any] = copy.deepcopy(CONTRACT)
    edited["openai"]["new"] = {}
    second = load(edited, ENV, previous=first)

    old, new = rows(first), rows(second)
    assert all(new[key] is old[key] for key in old)
    assert list(new) == [*old, ("openai", "new")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"defaults": {"weight": 1}, "m": {}}, {"defaults": {"weight": 2}, "m": {}}),
        ({"m": {"options": {"x": 1}}}, {"m": {"options": {"x": True}}}),
        ({"m": {"options": {"x": 1}}}, {"m": {"options": {"x": 1.0}}}),
        ({"m": {"headers": {"A": "1", "B": "2"}}}, {"m": {"headers": {"B": "2", "A": "1"}}}),
    ],
)
def test_what_compares_equal_may_still_differ(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Changed defaults, another type of number and another order reach the deployment."""
    again = load({"ollama": after}, previous=load({"ollama": before})).deployments

    assert repr(again) == repr(load({"ollama": after}).deployments)
    assert repr(again) != repr(load({"ollama": before}).deployments)


def test_a_rotated_secret_reaches_the_row() -> None:
    """A row whose text is the same but whose secret file is not has the new secret."""
    document = {"openai": {"m": {"api_token": "${file:/key}"}}}
    first = load(document, files={"/key": b"old"})
    second = load(document, files={"/key": b"new"}, previous=first)

    assert second.deployments[0].token != first.deployments[0].token
    assert second == load(document, files={"/key": b"new"})


def test_a_warning_is_said_at_each_load() -> None:
    """A row that is accepted with a warning is not taken over silently."""
    document = {"ollama": {"m": {"timeouts": {"total": 900}}, "n": {}}}
    first = load(document, max_total=300)

    assert first.warnings
    assert load(document, max_total=300, previous=first).warnings == first.warnings


def test_the_bound_on_all_calls_is_part_of_a_row() -> None:
    """Another upper bound is not masked by what an earlier load made."""
    document: dict[str, Any] = {"ollama": {"m": {}}}
    assert load(document, max_total=7, previous=load(document)).deployments[0].timeouts.total == 7


def test_one_row_without_a_host_among_sound_ones_is_told_by_its_name() -> None:
    """Rows that were taken over count: the finding is the model's and not the provider's."""
    sound = {"api_type": "openai", "api_host": "http://a/v1"}
    first = load({"box": {"a": sound}})
    edited = {"box": {"a": sound, "b": {}}}

    for previous in (None, first):
        with pytest.raises(ConfigError) as caught:
            load(edited, previous=previous)
        assert [problem.path for problem in caught.value.problems] == ["box.b"]


def test_kept_texts_do_not_show_themselves() -> None:
    """A configuration with a secret in it prints none, although it keeps the text for the next load."""
    assert "sk-1" not in repr(load(CONTRACT, ENV))


SCALARS = st.sampled_from([0, 1, 1.0, True, False, None, "a", "1"])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "weight": st.sampled_from([1, 2.0, "no"]),
        "api_host": st.sampled_from(["http://a/v1", "http://b/v1", 7]),
        "options": st.dictionaries(st.sampled_from("ab"), SCALARS),
        "timeouts": st.sampled_from([{"total": 9}, {"total": 900}, {}]),
    },
)
PROVIDERS = st.dictionaries(st.sampled_from(["defaults", "m", "n", "o"]), FIELDS)
DOCUMENTS = st.dictionaries(st.sampled_from(["ollama", "openai", "box"]), PROVIDERS)


@fuzz
@given(st.lists(DOCUMENTS, min_size=2, max_size=4))
def test_any_edits(documents: list[dict[str, Any]]) -> None:
    """Whatever was loaded before, a load finds the same configuration or the same problems."""
    previous: Config | None = None
    for document in documents:
        found = []
        for last in (None, previous):
            try:
                config = load(document, previous=last)
            except ConfigError as error:
                found.append(repr(error.problems))
            else:
                found.append(repr(config))
                previous = config
        assert found[0] == found[1]
