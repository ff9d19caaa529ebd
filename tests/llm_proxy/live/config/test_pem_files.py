"""``ca``, ``client_cert`` and ``client_key`` of a model, and Unix sockets as ``api_host``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.live.config.diff import diff
from llm_proxy.live.state.dry_run import Masks
from tests.support.config_kit import load, problem, row

CERT = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"

FILES = {
    "/ca.pem": CERT * 5000,
    "/cert.pem": CERT,
    "/key.pem": KEY,
    "/both.pem": CERT + KEY,
    "/locked.pem": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    "/old-locked.pem": b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n",
    "/bad.pem": b"s3cret",
}


def box(**fields: Any) -> dict[str, Any]:
    return {"box": {"m": {"api_type": "vllm", "api_host": "https://h/v1", **fields}}}


def test_the_files_arrive() -> None:
    """From the model, from ``defaults``, by a placeholder; in the bare row of the provider, too."""
    found = row(box(ca="${CA}", client_cert="/cert.pem", client_key="/key.pem"), {"CA": "/ca.pem"}, FILES)
    assert [file.path for file in (found.ca, found.client_cert, found.client_key) if file] == [
        "/ca.pem",
        "/cert.pem",
        "/key.pem",
    ]
    assert "pem" not in repr(found)
    document = box(client_cert="/both.pem")
    document["box"]["defaults"] = {"ca": "/ca.pem"}
    config = load(document, files=FILES)
    assert config.deployments[0].ca
    assert config.secret_files == ("/both.pem", "/ca.pem")
    alone = load(box(ca="/ca.pem", client_cert="/both.pem"), files=FILES).providers["box"]
    assert alone is not None
    assert alone.ca
    assert alone.client_cert


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ca": "ca.pem"}, "absolute path"),
        ({"ca": ""}, "absolute path"),
        ({"ca": CERT.decode()}, "not what stands in it"),
        ({"ca": 1}, "must be a string"),
        ({"ca": "/none.pem"}, "cannot be read"),
        ({"ca": "/bad.pem"}, "holds no certificate"),
        ({"ca": "/key.pem"}, "holds no certificate"),
        ({"client_cert": "/bad.pem"}, "holds no certificate"),
        ({"client_cert": "/cert.pem"}, '"client_key" is required'),
        ({"client_key": "/key.pem"}, '"client_cert" is required'),
        ({"client_cert": "/cert.pem", "client_key": "/cert.pem"}, "holds no private key"),
        ({"client_cert": "/cert.pem", "client_key": "/locked.pem"}, "passphrase"),
        ({"client_cert": "/cert.pem", "client_key": "/old-locked.pem"}, "passphrase"),
        ({"ca_cert": "/ca.pem"}, 'did you mean "ca"?'),
    ],
)
def test_what_is_wrong_with_them(fields: dict[str, Any], words: str) -> None:
    """One problem with its place and what is needed; nothing of what the file holds."""
    found = problem(box(**fields), files=FILES)
    assert found.path.startswith("box.m")
    assert words in found.message
    assert "s3cret" not in found.message


def test_a_new_certificate_is_an_edit() -> None:
    """The file changes and the configuration does not: the model has the new one, and the log says so, without a path."""
    old = load(box(ca="/ca.pem"), files=FILES)
    new = load(box(ca="/ca.pem"), files=FILES | {"/ca.pem": CERT}, previous=old)
    assert diff(old.deployments, new.deployments, {}, {}) == ["model m: ca changed"]
    gone = load(box(), files=FILES, previous=new)
    assert diff(new.deployments, gone.deployments, {}, {}) == ["model m: ca removed"]
    same = load(box(ca="/ca.pem"), files=FILES, previous=old)
    assert same.deployments[0] is old.deployments[0]


SOCKET = "http+unix://%2Frun%2Fvllm.sock"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("unix:///run/vllm.sock", SOCKET),
        ("unix:/run/vllm.sock", SOCKET),
        ("UNIX:///run/vllm.sock", SOCKET),
        ("unix:///run/vllm.sock:/v1", SOCKET + "/v1"),
        ("unix:///run/vllm.sock:/v1/", SOCKET + "/v1"),
        ("unix:///run/vllm.sock:", SOCKET),
        ("http://unix:/run/vllm.sock:/v1", SOCKET + "/v1"),
        ("http+unix://%2Frun%2Fvllm.sock/v1", SOCKET + "/v1"),
        ("http+unix://%2frun%2fvllm.sock", SOCKET),
        ("unix:///Run/A b.sock:/V1", "http+unix://%2FRun%2FA%20b.sock/V1"),
        ("http://unix:8000/v1", "http://unix:8000/v1"),
    ],
)
def test_unix_sockets(given: str, kept: str) -> None:
    """The forms of curl, nginx, Docker and httpx mean the same; a host that is called unix is a host."""
    assert row(box(api_host=given)).api_host == kept


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("unix:vllm.sock", "unix://"),
        ("unix://run/vllm.sock", "absolute path"),
        ("unix:///", "absolute path"),
        ("unix:///run/vllm.sock/v1", "colon"),
        ("unix:///run/vllm.sock:v1", "plain path"),
        ("unix:///run/vllm.sock:/../v1", "plain path"),
        ("unix:///run/vllm.sock:/v1?x", "plain path"),
        ("unix:///" + "x" * 107, "107 bytes"),
        ("http+unix://run/v1", "absolute path"),
        ("http+unix://%2/v1", "percent-encoded"),
        ("http+unix://%2Frun%00/v1", "absolute path"),
    ],
)
def test_what_is_no_unix_socket(given: str, words: str) -> None:
    """Each says what is missing."""
    assert words in problem(box(api_host=given)).message


def test_what_leaves_the_process() -> None:
    """That a file is named, and no path of it; ``check --against`` sees that it changed all the same."""
    shown = Masks("salt").row(row(box(ca="/ca.pem"), files=FILES))
    assert shown["ca"]
    assert shown["client_cert"] is None
    assert "pem" not in json.dumps(shown)
    assert Masks("").row(row(box(ca="/ca.pem"), files=FILES))["ca"] == {"masked": ""}
