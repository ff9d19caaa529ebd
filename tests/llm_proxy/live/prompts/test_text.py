"""One prompt text: its grammar, its hash, its slots and how it is filled."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import InvalidRequest
from llm_proxy.live.prompts.text import MAX_BYTES, Prompt, PromptFault, shown

SLOT_NAMES = st.from_regex(r"[a-zA-Ząćęłńóśźż_][a-zA-Z0-9_]{0,8}", fullmatch=True)
#: Texts full of what could be taken for a slot.
TRICKY = st.text(st.sampled_from("{}\\ ab_1ł\n\t%"), max_size=40)
PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


def prompt(text: str) -> Prompt:
    return Prompt.of("greeting", "en", text.encode())


def escaped(text: str) -> str:
    return text.replace("{{", "\\{{")


@pytest.mark.parametrize(
    ("text", "slots", "values", "result"),
    [
        ("Hello", (), {}, "Hello"),
        ("Hello {{ name }}!", ("name",), {"name": "Ann"}, "Hello Ann!"),
        ("{{name}}", ("name",), {"name": "Ann"}, "Ann"),
        ("{{\tname  }}", ("name",), {"name": "Ann"}, "Ann"),
        ("{{ a }}{{ b }}{{ a }}", ("a", "b"), {"b": "2", "a": "1"}, "121"),
        ("{{ język }}, {{ _x1 }}", ("język", "_x1"), {"język": "polski", "_x1": ""}, "polski, "),
        ("\\{{ name }}", (), {}, "{{ name }}"),
        ("\\\\{{ name }}", (), {}, "\\{{ name }}"),
        ("\\{{{{ name }}", ("name",), {"name": "Ann"}, "{{Ann"),
        ("{ name } }} {} \\{ {%", (), {}, "{ name } }} {} \\{ {%"),
    ],
)
def test_grammar(text: str, slots: tuple[str, ...], values: dict[str, str], result: str) -> None:
    """Slots are ``{{ name }}``, each listed once in order; ``\\{{`` is a literal; single braces mean nothing."""
    found = prompt(text)

    assert slots == found.slots
    assert result == found.render(values)


@pytest.mark.parametrize(
    "mark",
    [
        "{{",
        "{{ }}",
        "{{ a b }}",
        "{{ a",
        "{{ a }",
        "{{ 1a }}",
        "{{ a-b }}",
        "{{ a.b }}",
        "{{ x | upper }}",
        "{{\na }}",
        "{{{ a }}}",
        "{{ __import__('os') }}",
        "{{ a\u0301 }}",
    ],
)
def test_malformed_slot(mark: str) -> None:
    """A ``{{`` that begins no slot makes the text bad, and the fault names its line and not the text."""
    with pytest.raises(PromptFault, match="line 3: ") as caught:
        prompt(f"first\nsecond\nthird {mark} secret")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"one\ntwo \xff\n", r"is not valid UTF-8 \(line 2\)"),
        ("cześć".encode("iso8859-2"), r"is not valid UTF-8 \(line 1\)"),
        ("hello".encode("utf-16"), "is not valid UTF-8"),
        ("hello".encode("utf-16-le"), "holds a NUL character"),
        (b"one\ntwo\nthr\0e", r"holds a NUL character \(line 3\)"),
        (b"\xed\xa0\x80", "is not valid UTF-8"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"x" * (MAX_BYTES + 1), "is larger than 1 MiB"),
    ],
)
def test_not_a_text(data: bytes, message: str) -> None:
    """Bytes that are no usable text are a named fault."""
    with pytest.raises(PromptFault, match=message):
        Prompt.of("greeting", "en", data)


def test_largest_text() -> None:
    """Exactly 1 MiB is a prompt."""
    assert MAX_BYTES == len(Prompt.of("greeting", "en", b"x" * MAX_BYTES).render({}))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello", "hello"),
        (b"hello\n", "hello"),
        (b"hello\r\n", "hello"),
        (b"hello\n\n", "hello\n"),
        (b"hello\r", "hello\r"),
        (b"\n hello", "\n hello"),
        (b"\xef\xbb\xbfhello\n", "hello"),
        (b"a\r\nb\n", "a\r\nb"),
    ],
)
def test_ends_of_a_file(data: bytes, text: str) -> None:
    """A byte order mark and one newline at the end are no part of the text; everything else is."""
    found = Prompt.of("greeting", "en", data)

    assert text == found.text == found.render({})


def test_hash() -> None:
    """The hash is the SHA-256 of the file's bytes, and the reference shows its first eight digits."""
    data = "Cześć, {{ name }}!\n".encode()
    digest = hashlib.sha256(data).hexdigest()

    assert digest == Prompt.of("greeting", "pl", data).hash
    assert f"greeting@{digest[:8]}" == Prompt.of("greeting", "pl", data).ref
    assert digest != Prompt.of("greeting", "pl", data + b"\n").hash


def test_repr_holds_no_text() -> None:
    """A prompt in a log line or a traceback does not show its text."""
    assert "secret" not in repr(prompt("secret {{ name }} secret"))


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), ("", ""), (3, "3"), (-1.5, "-1.5"), (1e22, "1e+22"), (True, "true"), (False, "false")],
)
def test_values(value: str | float | bool, text: str) -> None:
    """Strings go in as they are, numbers as Python prints them, booleans as in JSON."""
    assert f"<{text}>" == prompt("<{{ v }}>").render({"v": value})


@pytest.mark.parametrize(
    ("text", "values", "paths"),
    [
        ("{{ a }} {{ b }}", {}, ["prompt_vars.a", "prompt_vars.b"]),
        ("{{ a }} {{ b }}", {"b": "x"}, ["prompt_vars.a"]),
        ("{{ a }}", {"b": "x"}, ["prompt_vars.a", "prompt_vars.b"]),
        ("{{ a }}", {"a": "x", "A": "y", "c": "z"}, ["prompt_vars.A", "prompt_vars.c"]),
        ("none", {"a": "x"}, ["prompt_vars.a"]),
    ],
)
def test_wrong_variables(text: str, values: dict[str, str], paths: list[str]) -> None:
    """Each slot without a value and each value without a slot is named, all of them in one error, no value in it."""
    with pytest.raises(InvalidRequest) as caught:
        prompt(text).render({name: f"secret {value}" for name, value in values.items()})

    assert paths == [problem.path for problem in caught.value.problems]
    assert paths[0] == caught.value.param
    assert "secret" not in caught.value.message


def test_wrong_variables_say_what_is_there() -> None:
    """The error for an unknown name lists the slots, or says that there is none."""
    with pytest.raises(InvalidRequest, match="its slots are first, second"):
        prompt("{{ first }} {{ second }}").render({"first": "", "second": "", "third": ""})
    with pytest.raises(InvalidRequest, match="it has none"):
        prompt("text").render({"third": ""})


def test_wrong_variables_are_bounded() -> None:
    """A request with a megabyte of wrong names, or one name of a megabyte, gets a short, printable error."""
    many = {f"name{n}": "" for n in range(100_000)}
    with pytest.raises(InvalidRequest, match="and 99,980 more") as caught:
        prompt("text").render(many)
    assert len(caught.value.message) < 5_000

    with pytest.raises(InvalidRequest) as caught:
        prompt("text").render({"\n\x1b[31m" + "x" * 1_000_000: ""})
    assert len(caught.value.message) < 300
    assert caught.value.message.isprintable()


def test_shown() -> None:
    """A name from outside is cut and printable, lone surrogates included."""
    assert "żółw" == shown("żółw")
    assert "a\\nb\\u2028\\ud800" == shown("a\nb\u2028\ud800")
    assert "aaa…" == shown("aaaa", 3)


@given(st.one_of(TRICKY, PLAIN))
def test_escaped_text_is_literal(text: str) -> None:
    """Any text with its ``{{`` escaped comes out as it went in, and has no slot."""
    found = prompt("|" + escaped(text) + "|")

    assert () == found.slots
    assert f"|{text}|" == found.render({})


@given(
    st.lists(st.tuples(TRICKY, SLOT_NAMES), max_size=6),
    TRICKY,
    st.dictionaries(SLOT_NAMES, TRICKY),
    st.sampled_from(["{{%s}}", "{{ %s }}", "{{\t%s }}"]),
)
def test_values_are_never_read_again(
    parts: list[tuple[str, str]], end: str, values: dict[str, str], form: str
) -> None:
    """A filled text is the literals and the values in order, whatever a value looks like."""
    # A brace or a backslash right before a slot would belong to it.
    pairs = [(literal + "|", name) for literal, name in parts]
    names = list(dict.fromkeys(name for _, name in pairs))
    values = {name: values.get(name, "{{ a }}\\{{") for name in names}

    found = prompt("|" + "".join(escaped(a) + form % name for a, name in pairs) + escaped(end) + "|")

    assert tuple(names) == found.slots
    assert "|" + "".join(a + values[name] for a, name in pairs) + end + "|" == found.render(values)


@given(st.one_of(TRICKY, st.binary(max_size=60).map(lambda data: data.decode("latin-1"))))
def test_any_text_is_a_prompt_or_a_fault(text: str) -> None:
    """Nothing but ``PromptFault`` comes out of a text, and what is accepted can be filled."""
    data = text.encode("latin-1", "ignore")
    try:
        found = Prompt.of("greeting", "en", data)
    except PromptFault:
        return

    values = dict.fromkeys(found.slots, "")
    without = re.sub(r"(?<!\\)\{\{[ \t]*\w+[ \t]*\}\}", "", found.text)
    assert len(found.render(values)) <= len(found.text)
    assert bool(found.slots) == (without != found.text)
