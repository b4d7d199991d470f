"""The audit of the lock, against a local server that speaks as OSV does: found, clean, partly unknown, away."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.image.recipe import ROOT

PYTHON = ROOT / ".cache" / "release" / "bin" / "python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="no pip-audit: `make check` fetches it")

LOCK = """
[[package]]
name = "bad"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "good"
version = "2.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "good"
version = "1.9"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "ours"
version = "3.0"
source = { editable = "." }
"""
FIXED = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}]


@contextmanager
def osv(vulnerable: str) -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
            affected = [{"package": {"name": asked, "ecosystem": "PyPI"}, "ranges": FIXED}]
            known = (
                {"vulns": [{"id": "PYSEC-1", "summary": "bad", "affected": affected}]} if asked == vulnerable else {}
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(known).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def audit(home: Path, url: str) -> tuple[int, list[str]]:
    (home / "uv.lock").write_text(LOCK)
    command: list[str | Path] = [PYTHON, ROOT / "scripts" / "audit.py", home / "uv.lock", "-s", "osv", "--osv-url", url]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": str(home)})
    assert not ran.stderr
    return ran.returncode, ran.stdout.splitlines()


def test_a_known_vulnerability_fails_and_is_named(tmp_path: Path) -> None:
    with osv("bad") as url:
        code, said = audit(tmp_path, url)
    assert code == 1
    assert said == ["bad 1.0: PYSEC-1, mended in 1.1", "3 of 3 packages audited, 1 known vulnerabilities"]


def test_a_lock_without_one_passes(tmp_path: Path) -> None:
    with osv("another") as url:
        assert audit(tmp_path, url) == (0, ["3 of 3 packages audited, 0 known vulnerabilities"])


def test_an_index_out_of_reach_is_no_clean_bill(tmp_path: Path) -> None:
    code, (said,) = audit(tmp_path, "http://127.0.0.1:9")
    assert code == 0
    assert said.startswith("not audited: index unreachable")
