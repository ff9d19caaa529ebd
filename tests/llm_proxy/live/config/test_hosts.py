"""Which api_host is a good one."""

from __future__ import annotations

import pytest

from tests.support.config_kit import problem, row

PLANTED = "sk-planted"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://h", "http://h"),
        ("HTTPS://H:443/V1//", "https://h:443/V1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("http://10.0.0.1", "http://10.0.0.1"),
        ("http://my_service.local./a%20b", "http://my_service.local./a%20b"),
    ],
)
def test_good_hosts(given: str, kept: str) -> None:
    """Names, addresses, ports and paths pass; scheme and host lose their capitals, the end its slashes."""
    assert row({"openai": {"m": {"api_host": given}}}).api_host == kept


BAD_HOSTS = [
    ("", "http://"),
    ("gpu-box:8000", "http://"),
    ("//gpu-box", "http://"),
    ("ftp://gpu-box", "http://"),
    ("file:///etc/passwd", "http://"),
    ("http:/gpu-box", "http://"),
    ("http://", "valid host"),
    ("http:///v1", "valid host"),
    ("http://gpu box", "valid host"),
    ("http://gpu-box/v 1", "plain path"),
    ("http://żółw.pl", "valid host"),
    ("http://-x", "valid host"),
    ("http://a..b", "valid host"),
    ("http://999.1.1.1", "valid host"),
    ("http://[::1", "valid host"),
    ("http://[::z]", "valid host"),
    ("http://[fe80::1%25eth0]", "valid host"),
    ("http://" + "a" * 300, "valid host"),
    (f"http://{PLANTED}:pw@gpu-box", "user part"),
    ("http://@gpu-box", "user part"),
    ("http://gpu-box:", "port"),
    ("http://gpu-box:0", "port"),
    ("http://gpu-box:65536", "port"),
    ("http://gpu-box:http", "port"),
    (f"http://gpu-box/v1?key={PLANTED}", "query"),
    ("http://gpu-box/v1?", "query"),
    ("http://gpu-box/v1#x", "fragment"),
    ("http://gpu-box/../v1", "plain path"),
    ("http://gpu-box/%2e%2E/v1", "plain path"),
    ("http://gpu-box\\v1", "valid host"),
    ("http://gpu-box/a\\b", "plain path"),
    ("http://gpu-box\n", "control characters"),
    (" http://gpu-box", "white space"),
    ("http://gpu\tbox", "control characters"),
]


@pytest.mark.parametrize(("host", "message"), BAD_HOSTS, ids=range(len(BAD_HOSTS)))
def test_bad_hosts(host: str, message: str) -> None:
    """An api_host is an http or https URL of host, port and plain path; anything else says why not."""
    found = problem({"openai": {"m": {"api_host": host}}})

    assert found.path == "openai.m.api_host"
    assert message in found.message
    assert PLANTED not in str(found)
