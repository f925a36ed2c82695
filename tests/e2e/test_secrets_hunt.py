"""The hunt finds what was planted, in every form, and a session in which something is found fails."""

from __future__ import annotations

import base64
import gzip
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.secrets_hunt import PIECE_BYTES, Hunt

SECRET = 'Blåer "See"/+7?-Ufer'
ROOT = Path(__file__).parents[2]


@pytest.fixture
def hunt() -> Hunt:
    found = Hunt()
    found.plant("a password", SECRET)
    return found


def in_basic_authorization() -> bytes:
    return b"Authorization: Basic " + base64.b64encode(f"ada:{SECRET}".encode())


def in_an_xcom_row() -> bytes:
    return json.dumps({"value": f"user:{SECRET}@host"}).encode()


PLANTED = {
    "itself": SECRET.encode(),
    "a log's line": f"2026-01-01 ERROR login with {SECRET!s} failed".encode(),
    "Basic authorization": in_basic_authorization(),
    **{f"base64 after {count} letters": base64.b64encode(b"x" * count + SECRET.encode() + b"yz") for count in range(4)},
    "base64 for addresses": base64.urlsafe_b64encode(SECRET.encode() * 2),
    "JSON": in_an_xcom_row(),
    "an address": f"https://ada:{quote(SECRET, '')}@host/".encode(),
    "hexadecimal": SECRET.encode().hex().encode(),
    "gzip": gzip.compress(SECRET.encode()),
    "the seam of two pieces": b"." * (PIECE_BYTES - 5) + SECRET.encode(),
}


@pytest.mark.parametrize("where", PLANTED)
def test_a_planted_secret_is_found(tmp_path: Path, hunt: Hunt, where: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(PLANTED[where])
    (tmp_path / "innocent").write_text("nothing of it")

    hunt.look(tmp_path)
    hunt.look(tmp_path)

    assert [(hit.name, hit.path) for hit in hunt.found] == [("a password", tmp_path / "deep" / "file")]


def test_a_row_that_is_longer_than_a_page_is_read_whole(tmp_path: Path, hunt: Hunt) -> None:
    for number, before in enumerate(range(3000, 5000, 7)):  # some of them lie across the end of a page
        with sqlite3.connect(tmp_path / f"{number}.db") as database:
            database.execute("create table xcom (value text)")
            database.execute("insert into xcom values (?)", ["." * before + SECRET])
        database.close()

    hunt.look(tmp_path)

    assert len(hunt.found) == len(list(tmp_path.glob("*.db")))


def test_what_a_person_put_somewhere_may_stand_there_alone(tmp_path: Path, hunt: Hunt) -> None:
    hunt.plant("the same", SECRET, may_be_in=["home/passwords.json"])
    (tmp_path / "home").mkdir()
    for name in ("home/passwords.json", "home/log"):
        (tmp_path / name).write_text(SECRET)

    hunt.look(tmp_path)

    assert sorted((hit.name, hit.path.name) for hit in hunt.found) == [
        ("a password", "log"),
        ("a password", "passwords.json"),
        ("the same", "log"),
    ]


def test_of_a_key_a_line_is_looked_for_and_a_short_word_is_refused(tmp_path: Path) -> None:
    body = base64.b64encode(bytes(range(150))).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    hunt = Hunt()
    hunt.plant("a key", "\n".join(["-----BEGIN A KEY-----", *lines, "-----END A KEY-----"]))
    (tmp_path / "one-line").write_text("".join(lines))
    (tmp_path / "same-beginning").write_text(lines[0])

    hunt.look(tmp_path)

    assert [hit.path.name for hit in hunt.found] == ["one-line"]
    with pytest.raises(ValueError, match="by chance"):
        hunt.plant("short", "abc")
    assert SECRET not in repr(hunt)


@pytest.mark.parametrize(("written", "failed"), [("base64.b64encode(SECRET.encode()).decode()", 1), ("'nothing'", 0)])
def test_a_session_that_leaves_a_secret_fails(tmp_path: Path, written: str, failed: int) -> None:
    (tmp_path / "conftest.py").write_text("from tests.e2e.secrets_hunt import secrets_hunt as secrets_hunt\n")
    (tmp_path / "test_leaves.py").write_text(
        "import base64\nSECRET = 'planted-in-this-session'\n"
        "def test_it(tmp_path, secrets_hunt):\n"
        "    secrets_hunt.plant('a password', SECRET)\n"
        f"    (tmp_path / 'scheduler.log').write_text('sent ' + {written})\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={tmp_path}",
         f"--basetemp={tmp_path / 'temp'}", str(tmp_path / "test_leaves.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path / "home"), "PYTEST_ADDOPTS": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip

    assert done.returncode == failed, done.stdout + done.stderr
    assert ("scheduler.log" in done.stdout) == bool(failed)
    assert ("secrets of the tests stand in what they left" in done.stdout) == bool(failed)
