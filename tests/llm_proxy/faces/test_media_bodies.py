"""Forms and JSON of the media endpoints: which model they name, and that nothing else changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.errors import InvalidRequest, UnsupportedMedia
from llm_proxy.faces.media.body import read_body
from llm_proxy.wire.strict_json import JsonProblem
from tests.support.fuzz import fuzz

FORM = "multipart/form-data; boundary=b1"
#: A form as browsers and curl write it, with what may surround it.
PARTS = (
    b'--b1 \t\r\nContent-Disposition: form-data; name="file"; filename="a;b\\"c.mp3"\r\n'
    b"Content-Type: audio/mpeg\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\r\n--b2\r\n\xff\r\n"
    b"--b1\r\ncontent-disposition: form-data; filename*=utf-8''x; name=image[]\r\n\r\n\r\n"
    b'--b1\r\nContent-Disposition: Form-Data ; name="model"\r\n\r\npublic\r\n'
    b"--b1--\r\nafterwards"
)


def part(head: str, value: str = "m") -> bytes:
    return f"--b1\r\n{head}\r\n\r\n{value}\r\n--b1--".encode()


def test_a_form_is_read_and_written() -> None:
    """The names of its fields, its model, and the same bytes with another."""
    body = read_body(PARTS, FORM)

    assert body.names == {"file", "image[]", "model"}
    assert (body.model, body.content_type) == ("public", FORM)
    assert body.written("up/1") == PARTS.replace(b"public", b"up/1")
    assert body.written(None) is PARTS


@pytest.mark.parametrize("gone", [{"model"}, {"file"}, {"image[]", "model"}, {"file", "image[]"}])
def test_fields_are_taken_out_of_a_form(gone: set[str]) -> None:
    """What is left is a form of the others."""
    left = read_body(PARTS, FORM).written(None, gone)

    assert read_body(left, FORM).names == {"file", "image[]", "model"} - gone
    assert left.endswith(b"--b1--\r\nafterwards")


@pytest.mark.parametrize(
    "kind", ['multipart/form-data; boundary="b1"', "Multipart/Form-Data;charset=utf-8; BOUNDARY=b1 ; x=y"]
)
def test_spellings_of_the_boundary(kind: str) -> None:
    """In quotes or not, among other parameters."""
    assert read_body(PARTS, kind).model == "public"


@pytest.mark.parametrize(
    "kind", ["", "; boundary=", "; boundary=b1; boundary=b2", '; boundary="b1 "', "; boundary=é"]
)
def test_bad_boundaries(kind: str) -> None:
    """None, two, or one that no line can be."""
    with pytest.raises(InvalidRequest, match="boundary"):
        read_body(PARTS, "multipart/form-data" + kind)


MALFORMED = {
    "preamble": b"x" + PARTS,
    "empty": b"",
    "no end": PARTS[: PARTS.index(b"--b1--")],
    "longer boundary": PARTS.replace(b"--b2", b"--b1x"),
    "bare line feeds": PARTS.replace(b"\r\n", b"\n"),
    "no head": b"--b1\r\n--b1--",
    "long head": part("X: " + "x" * 9000),
    "many parts": part('Content-Disposition: form-data; name="a"')[:-6] * 1001 + b"--b1--",
    "folded": part('Content-Disposition: form-data;\r\n name="model"'),
    "no colon": part("Content-Disposition"),
    "twice": part('Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="model"'),
    "two names": part('Content-Disposition: form-data; name="a"; name="model"'),
    "extended name": part("Content-Disposition: form-data; name=a; name*=utf-8''model"),
    "no name": part("Content-Disposition: form-data"),
    "escaped name": part('Content-Disposition: form-data; name="mo\\del"'),
    "not a field": part('Content-Disposition: attachment; name="model"'),
    "open quote": part('Content-Disposition: form-data; name="model'),
    "encoded": part(
        'Content-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: base64', "bQ=="
    ),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_forms(data: bytes) -> None:
    """What two servers could read differently is refused, and no value of it is shown."""
    with pytest.raises(InvalidRequest) as caught:
        read_body(data, FORM)

    assert caught.value.code == "invalid_form"


def test_models_that_are_none() -> None:
    """An empty name is no name; two, a file or bytes that are no text are refused."""
    head = 'Content-Disposition: form-data; name="model"'
    assert read_body(part(head, ""), FORM).model is None
    for wrong in (
        part(head + '; filename="f"'),
        part(head)[:-6] + part(head),
        part(head).replace(b"m\r\n--b1--", b"\xff\r\n--b1--"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            assert read_body(wrong, FORM).model
        assert caught.value.param == "model"


def test_another_kind_of_form() -> None:
    """Only that of uploads is one."""
    with pytest.raises(UnsupportedMedia):
        read_body(PARTS, "multipart/mixed; boundary=b1")


JSONS = [
    b'{"model":"m"}',
    b'\n{ "a" : {"model": "x"}, "b": ["model", {"model": "y"}], "model"\t:\r\n"m" , "z": "\\"model\\": 1"}',
    '{"ż": "model", "mo\\u0064el": "\\u006d", "n": 1.50}'.encode(),
    b'{"x": ",", "y": "{", "model": "m"}',
]


@pytest.mark.parametrize("data", JSONS)
def test_json_is_changed_in_one_place(data: bytes) -> None:
    """Whatever stands around the name, and however it is written."""
    body = read_body(data, "application/json")
    written = body.written("up/ż")

    assert body.model == "m"
    assert json.loads(written) == {**json.loads(data), "model": "up/ż"}
    at = next(n for n, (old, new) in enumerate(zip(data, written, strict=False)) if old != new)
    rest = data[at:].partition(b'"')[2]
    assert written.endswith(rest)
    assert body.written("m") is data
    assert body.written(None) is data


def test_fields_are_taken_out_of_json() -> None:
    """Then it is written anew."""
    body = read_body(b'{"api_key": "k", "model": "m", "x": 1}', "")

    assert json.loads(body.written("up", {"api_key"})) == {"model": "up", "x": 1}
    assert json.loads(body.written(None, {"model"})) == {"api_key": "k", "x": 1}


@pytest.mark.parametrize("data", [b"", b"[]", b'{"model": "a", "model": "b"}', b"--b1--"])
def test_what_is_no_json_object(data: bytes) -> None:
    """Refused as on every other endpoint."""
    with pytest.raises(JsonProblem):
        read_body(data, "application/json")


@pytest.mark.parametrize("value", [3, True, ["m"], {}])
def test_a_model_that_is_no_text(value: object) -> None:
    """A 400 that names the field."""
    with pytest.raises(InvalidRequest) as caught:
        assert read_body(json.dumps({"model": value}).encode(), "").model
    assert caught.value.param == "model"


VALUES = st.recursive(
    st.none() | st.text() | st.integers() | st.just("model"),
    lambda v: st.lists(v) | st.dictionaries(st.text() | st.just("model"), v),
)


@settings(fuzz, max_examples=40)
@given(st.dictionaries(st.text(), VALUES), st.text(min_size=1), st.text(), st.booleans())
def test_any_json(fields: dict[str, object], old: str, new: str, plain: bool) -> None:
    """Another model, and otherwise the same value."""
    given_ = {**fields, "model": old}
    try:
        body = read_body(json.dumps(given_, ensure_ascii=plain).encode(), "")
    except (JsonProblem, UnicodeEncodeError):
        return
    assert json.loads(body.written(new)) == {**given_, "model": new}


@settings(fuzz, max_examples=40)
@given(
    st.lists(st.tuples(st.from_regex(r"[a-z\[\]]{1,8}", fullmatch=True), st.binary()), max_size=5),
    st.binary(),
)
def test_any_form(fields: list[tuple[str, bytes]], last: bytes) -> None:
    """Whatever the fields hold short of the boundary, they keep it."""
    kept = [(name, value) for name, value in fields if name != "model" and b"--b1" not in value]
    parts = [
        b'--b1\r\nContent-Disposition: form-data; name="%b"; filename="x"\r\n\r\n%b\r\n' % (n.encode(), v)
        for n, v in kept
    ]
    parts.insert(len(parts) // 2, b'--b1\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n')
    data = b"".join(parts) + b"--b1--" + last

    assert read_body(data, FORM).written("up") == data.replace(
        b'"model"\r\n\r\nm\r\n', b'"model"\r\n\r\nup\r\n', 1
    )
