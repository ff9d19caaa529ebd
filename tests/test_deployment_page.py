"""What docs/deployment.md tells people to write for their proxies, judged by these."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.llm_proxy.service.test_behind_proxies import HAPROXY, NGINX, free_port, needs_haproxy, needs_nginx

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")

ROOT = Path(__file__).parent.parent
CERTIFICATE = ROOT / "tests" / "data" / "tls" / "good.pem"


def block(language: str) -> str:
    """The only one in that language."""
    (found,) = re.findall(
        rf"```{language}\n(.*?)```", (ROOT / "docs" / "deployment.md").read_text(), re.DOTALL
    )
    return str(found)


def judged(*command: str) -> str:
    """What the program says; it must be content."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_nginx
def test_nginx_takes_its_part(tmp_path: Path) -> None:
    """nginx finds nothing to say about it, beside the certificate and the place of its files."""
    text = block("nginx").replace(
        "listen 443 ssl;",
        f"listen 127.0.0.1:{free_port()} ssl; ssl_certificate {CERTIFICATE}; ssl_certificate_key {CERTIFICATE};",
    )
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = tmp_path / "nginx.conf"
    file.write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {paths} {text} }}"
    )

    assert "[warn]" not in judged(str(NGINX), "-t", "-p", str(tmp_path), "-c", str(file))


@needs_haproxy
def test_haproxy_takes_its_part(tmp_path: Path) -> None:
    """HAProxy, too."""
    shutil.copy(CERTIFICATE, tmp_path / "llm.pem")
    file = tmp_path / "haproxy.cfg"
    file.write_text(block("haproxy").replace("/etc/haproxy/llm.pem", str(tmp_path / "llm.pem")))

    assert "WARNING" not in judged(str(HAPROXY), "-c", "-f", str(file))
