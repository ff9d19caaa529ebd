"""What is taken of Tornado's private names is there, and is taken in one place only."""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path

import pytest
import tornado
from tornado.httputil import HTTPHeaders
from tornado.web import RequestHandler

from llm_proxy.clients.tornado_internals import PRIVATE, ResponseHeaders, implements

ROOT = Path(__file__).resolve().parents[3]
HOME = ROOT / "llm_proxy" / "clients" / "tornado_internals.py"


def used(source: str) -> set[str]:
    """The private attributes in some code, and the private methods, properties and attributes that its classes have."""
    nodes = [*ast.walk(ast.parse(source))]
    names = [node.attr for node in nodes if isinstance(node, ast.Attribute)]
    names += [node.name for node in nodes if isinstance(node, ast.FunctionDef)]
    bodies = [line for node in nodes if isinstance(node, ast.ClassDef) for line in node.body]
    targets = [target for line in bodies if isinstance(line, ast.Assign) for target in line.targets]
    names += [target.id for target in targets if isinstance(target, ast.Name)]
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize(("owner", "name", "reason"), PRIVATE, ids=lambda value: str(value)[:40])
def test_tornado_still_has_it(owner: type, name: str, reason: str) -> None:
    """Each private name stands in the code of the class that it is taken from."""
    has = hasattr(owner, name) or name in used(textwrap.dedent(inspect.getsource(owner)))
    assert has, (
        f"Tornado {tornado.version} has no {owner.__name__}.{name} any more ({reason}): "
        "look at what stands for it there, and change llm_proxy/clients/tornado_internals.py"
    )


def test_what_its_init_does() -> None:
    """Ours stands for it: it must set what Tornado's sets, but for what no handler here uses."""
    body = ast.parse(textwrap.dedent(inspect.getsource(RequestHandler.__init__)))
    sets = {
        node.attr
        for node in ast.walk(body)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    ours = {"application", "request", "_headers_written", "_finished", "_auto_finish", "_prepared_future"}
    assert sets - ours <= {"ui", "path_args", "path_kwargs", "_transforms"}, (
        f"Tornado {tornado.version}: RequestHandler.__init__ sets more than ours: {sets - ours}"
    )


def test_headers_written_our_way_are_tornados() -> None:
    """A field that is put reads as one that is set, whichever way it is read."""
    ours, theirs = ResponseHeaders(), HTTPHeaders()
    ours.put("X-Request-Id", "a b")
    theirs["X-Request-Id"] = "a b"

    assert list(ours.get_all()) == list(theirs.get_all())
    assert ours["x-request-id"] == theirs["x-request-id"]
    assert ours.get_list("X-Request-Id") == theirs.get_list("X-Request-Id")
    assert dict(ours) == dict(theirs)


def test_which_methods_a_handler_implements() -> None:
    """Its own, and none that it inherits from Tornado."""

    class OnlyGet(RequestHandler):
        def get(self) -> None:
            """Nothing."""

    assert implements(OnlyGet, "GET")
    assert not implements(OnlyGet, "POST")


def test_nobody_else_takes_them() -> None:
    """The private names of Tornado's classes stand in one module of the three packages."""
    names = {name for _, name, _ in PRIVATE}
    for package in ("llm_proxy", "handlers", "providers"):
        for path in (ROOT / package).rglob("*.py"):
            if path == HOME or "tornado" not in (source := path.read_text("utf-8")):
                continue
            assert not used(source) & names, path.relative_to(ROOT)
    assert names <= used(HOME.read_text("utf-8"))
