"""No input crashes the loader with anything but ConfigError, and nothing that it says shows a planted secret."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.live.config.diff import diff
from llm_proxy.live.config.fields import Row, TimeoutFields
from llm_proxy.live.config.loader import ConfigError
from llm_proxy.live.config.name_fields import NameRow
from llm_proxy.live.config.presets import PRESETS
from tests.support.config_kit import API_TYPES, CONTRACT, load
from tests.support.fuzz import fuzz

PLANTED = "sk-planted-7f3a"
ENV = {"SECRET": PLANTED, "ODD": PLANTED + "\udcff\n", "EMPTY": "", "OPENAI_API_KEY": PLANTED}
FILES = {"/secret": PLANTED.encode(), "/binary": b"\xff" + PLANTED.encode()}

NAMES = st.sampled_from(
    [*API_TYPES, *PRESETS, "box", "defaults", "$comment", "$models", "m", "n", "*", "m*", "", "a/b", "é"]
) | st.text(max_size=5)
FIELDS = st.sampled_from(
    [
        *Row.model_fields,
        *TimeoutFields.model_fields,
        *NameRow.model_fields,
        "temperature",
        "stop",
        "X-A",
        "zz",
    ]
)
TEXTS = st.sampled_from(
    [
        PLANTED,
        f"http://{PLANTED}",
        f"http://u:{PLANTED}@x/?{PLANTED}",
        f"{PLANTED}\n",
        "${SECRET}",
        "x${ODD}",
        "${EMPTY}",
        "${UNSET}",
        "${file:/secret}",
        "${file:/binary}",
        "${file:/gone}",
        "${",
        "$${x}",
        "vllm",
        "http://[::1]:8/v1",
        "http://x:\u0661",
        "5m",
        "drain",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | NAMES, inner, max_size=4),
    max_leaves=8,
)
ROWS = st.dictionaries(FIELDS, VALUES, max_size=5) | VALUES
FALLBACKS = st.lists(NAMES | st.fixed_dictionaries({"model": NAMES}), max_size=3)
NAME_ROWS = st.one_of(
    st.fixed_dictionaries({"alias": NAMES}),
    st.fixed_dictionaries({"fallbacks": FALLBACKS}),
    st.dictionaries(st.sampled_from([*NameRow.model_fields]), VALUES, max_size=3),
)
#: Names that refer to each other in every way.
NAMED = st.fixed_dictionaries(
    {
        "$models": st.dictionaries(NAMES, NAME_ROWS, max_size=6),
        "ollama": st.dictionaries(NAMES, st.just({}) | st.just({"active": False}), max_size=5),
        "openai": st.dictionaries(NAMES, st.just({}), max_size=3),
    }
)
DOCUMENTS = NAMED | st.dictionaries(
    NAMES, st.dictionaries(NAMES | FIELDS, ROWS, max_size=4) | VALUES, max_size=4
)


def _judge(data: bytes) -> bool:
    """Load ``data``: whether it was accepted. Everything that can be printed afterwards is searched for secrets."""
    try:
        config = load(data, env=ENV, files=FILES)
    except ConfigError as error:
        assert error.problems
        shown = f"{error}{error!r}"
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)
        assert "\x1b" not in shown
        accepted = False
    else:
        shown = f"{config.warnings}{diff((), config.deployments, {}, {})}"
        accepted = True
    shown.encode()  # no lone surrogates either: it goes to a log
    assert PLANTED not in shown
    return accepted


@fuzz
@given(DOCUMENTS)
def test_no_document_crashes_the_loader(document: dict[str, Any]) -> None:
    """Documents near the truth, with secrets in every place, load or are rejected without an echo."""
    _judge(json.dumps(document).encode())


@fuzz
@given(DOCUMENTS, st.data())
def test_no_mutilated_text_crashes_the_loader(document: dict[str, Any], data: st.DataObject) -> None:
    """The same documents with a piece cut out or doubled, or with stray bytes in them."""
    text = json.dumps({**document, "ollama": {"m": {}}}, ensure_ascii=data.draw(st.booleans())).encode(
        "utf-8", "surrogatepass"
    )
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 10)))
    _judge(
        text[:start]
        + data.draw(st.sampled_from([b"", text[start:end] * 2, b"\0", b"\xff", b"NaN", b'"']))
        + text[end:]
    )


@fuzz
@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_no_bytes_crash_the_loader(data: bytes) -> None:
    """Arbitrary bytes and texts are rejected or load."""
    _judge(data)


@fuzz
@given(st.data())
def test_every_prefix_of_a_good_file_is_rejected(data: st.DataObject) -> None:
    """A half-written file is never taken for a whole one."""
    text = json.dumps(CONTRACT, indent=1).encode()
    cut = data.draw(st.integers(0, len(text) - 1))

    assert _judge(text)
    assert not _judge(text[:cut])


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="$"))
)
GOOD_ROWS = st.fixed_dictionaries(
    {},
    optional={
        "weight": st.floats(0, 1e6) | st.integers(0, 10**6),
        "active": st.booleans() | st.none(),
        "input_size": st.integers(1, 10**9),
        "options": st.dictionaries(
            st.sampled_from("ab"), PLAIN | st.dictionaries(st.sampled_from("cd"), PLAIN)
        ),
        "timeouts": st.dictionaries(st.sampled_from(["connect", "idle"]), st.floats(0.001, 86400)),
        "headers": st.dictionaries(st.sampled_from(["X-A", "X-B"]), st.sampled_from(["v", None])),
    },
)


@fuzz
@given(st.dictionaries(st.sampled_from(["defaults", "m", "n"]), GOOD_ROWS))
def test_sound_documents_load(rows: dict[str, Any]) -> None:
    """Whatever is made of good fields is accepted and arrives row for row."""
    config = load({"ollama": rows})

    assert [row.name for row in config.deployments] == [name for name in rows if name != "defaults"]
