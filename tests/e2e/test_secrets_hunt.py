"""The hunt finds what was planted, in every form, and a session in which something is found fails."""

from __future__ import annotations

import ast
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

from tests.e2e.secrets_hunt import KINDS, PIECE_BYTES, Hunt, is_name_of_a_secret

SECRET = 'Blåer "See"/+7?-Ufer'
ROOT = Path(__file__).parents[2]
OWN = ("secrets_hunt.py", "test_secrets_hunt.py")
SOURCES = [path for path in sorted((ROOT / "tests" / "e2e").rglob("*.py")) if path.name not in OWN]


@pytest.fixture
def hunt() -> Hunt:
    found = Hunt(kinds=frozenset({"a password", "the same", "a key", "short"}))
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


def test_of_a_key_a_line_is_looked_for_and_a_short_word_is_refused(tmp_path: Path, hunt: Hunt) -> None:
    body = base64.b64encode(bytes(range(150))).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    hunt.plant("a key", "\n".join(["-----BEGIN A KEY-----", *lines, "-----END A KEY-----"]))
    (tmp_path / "one-line").write_text("".join(lines))
    (tmp_path / "same-beginning").write_text(lines[0])

    hunt.look(tmp_path)

    assert [hit.path.name for hit in hunt.found] == ["one-line"]
    with pytest.raises(ValueError, match="by chance"):
        hunt.plant("short", "abc")
    assert SECRET not in repr(hunt)


def test_of_a_file_with_lines_that_are_left_out_the_others_are_read(tmp_path: Path) -> None:
    hunt = Hunt()
    hunt.leave_out("console.log", b"[task.stdout]")
    printed, leaked = (hunt.make("docker-registry: password") for _ in range(2))
    (tmp_path / "console.log").write_text(f"one\n{printed} [task.stdout]\n")
    (tmp_path / "other.log").write_text(f"{printed} [task.stdout]\n")
    hunt.look(tmp_path)
    assert [hit.path.name for hit in hunt.found] == ["other.log"]
    (tmp_path / "console.log").write_text(f"{printed} [task.stdout]\n{leaked} [airflow]\n")
    hunt.look(tmp_path)
    assert [hit.path.name for hit in hunt.found] == ["other.log", "console.log"]


def test_two_secrets_of_one_kind_are_both_looked_for(tmp_path: Path) -> None:
    hunt = Hunt()
    first, second = (hunt.make("docker-registry: password") for _ in range(2))
    (tmp_path / "log").write_text(first)
    (tmp_path / "other").write_text(second)

    hunt.look(tmp_path)

    assert first != second
    assert [hit.path.name for hit in hunt.found] == ["log", "other"]
    with pytest.raises(ValueError, match="not in KINDS"):
        hunt.make("a new one")


def test_each_kind_of_secret_is_made_by_the_hunt_and_there_are_as_many_as_are_known() -> None:
    made = [found for path in SOURCES for found in kinds_made(path.read_text(encoding="utf-8"))]

    assert set(made) == KINDS
    assert len(KINDS) == 22


def test_no_secret_is_written_into_a_test_or_made_elsewhere() -> None:
    found = [f"{path.relative_to(ROOT)}:{said}" for path in SOURCES for said in made_elsewhere(path.read_text("utf-8"))]

    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "connect(password='written here')",
        "given = {'signing_private_key': 'written here'}",
        "API_TOKEN = 'written here'",
        "login = {'password': f'{user}-password'}",
        "pair = generate_key_pair(password)",
        "pair = keys.generate_key_pair(password)",
        "key = Fernet.generate_key()",
        "word = secrets.token_urlsafe(8)",
        "with EmbeddedRegistry(auth='basic') as server: pass",
    ],
)
def test_a_secret_that_is_made_elsewhere_is_seen(line: str) -> None:
    assert made_elsewhere(line) != []
    assert made_elsewhere("connect(password=hunt.make('a'), password_file='/a/path/to', token='')") == []
    assert made_elsewhere("key = Fernet.generate_key().decode()\nhunt.plant('a', key)") == []


def kinds_made(text: str) -> list[str]:
    """Return the kinds that a source names where it asks the hunt for a secret."""
    return [
        call.args[0].value
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args
        if call.func.attr in ("make", "key_pair", "plant") and isinstance(call.args[0], ast.Constant)
    ]


def made_elsewhere(text: str) -> list[str]:
    """Return where a source writes a secret down, or makes one that the hunt is not told of."""
    tree, found = ast.parse(text), []
    planted = {
        ast.unparse(call.args[1])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".plant")
    }
    for node in ast.walk(tree):
        named: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.Call):
            named = [(keyword.arg or "", keyword.value) for keyword in node.keywords]
            name = ast.unparse(node.func)
            if name.rpartition(".")[2] in ("generate_key_pair", "token_urlsafe", "token_hex", "token_bytes"):
                found.append(f"{node.lineno}: {name}")
            own = {keyword.arg for keyword in node.keywords}
            if name == "EmbeddedRegistry" and "auth" in own and "password" not in own:
                found.append(f"{node.lineno}: {name}")
        elif isinstance(node, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else "" for key in node.keys]
            named = list(zip(map(str, keys), node.values, strict=True))
        elif isinstance(node, ast.Assign):
            named = [(ast.unparse(target), node.value) for target in node.targets]
            if "Fernet.generate_key" in ast.unparse(node.value) and not {name for name, _ in named} & planted:
                found.append(f"{node.lineno}: Fernet")
        found += [f"{node.lineno}: {name}" for name, value in named if is_written(name, value)]
    return found


def is_written(name: str, value: ast.expr | None) -> bool:
    """Whether a text stands in the source under the name of a secret."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return len(value.value) >= 6 and is_name_of_a_secret(name)
    return isinstance(value, ast.JoinedStr) and is_name_of_a_secret(name)


LEAVES = {
    "a secret in a log": ("log.write_text('sent ' + base64.b64encode(SECRET.encode()).decode())", "scheduler.log"),
    "a secret that is printed": ("print(SECRET)", "test_leaves.py::test_it"),
    "a secret in a traceback": ("assert SECRET == 'another'", "test_leaves.py::test_it"),
    "a secret in a temporary file": (
        "open(tempfile.mkstemp(prefix='left-by-a-program')[1], 'w').write(SECRET)",
        "left-by-a-program",
    ),
    "a variable that nobody told of": ("monkeypatch.setenv('CI_PASSWORD', 'not-told-of')", "CI_PASSWORD"),
    "a process that got what nobody told of": (
        "subprocess.run(['true'], env={'AIRFLOW_CONN_A': json.dumps({'extra': {'api_token': 'not-told-of'}})})",
        "AIRFLOW_CONN_A.extra.api_token",
    ),
    "a key that nobody told of": (
        "subprocess.run(['true'], env={'RELEASE': '-----BEGIN PRIVATE KEY-----'})",
        "RELEASE",
    ),
    "": ("monkeypatch.setenv('CI_PASSWORD', SECRET), monkeypatch.setenv('TOKEN_FILE', '/a/path/to/it')", ""),
}


@pytest.mark.parametrize("what", LEAVES, ids=lambda what: what or "nothing")
def test_a_session_that_leaves_a_secret_or_does_not_tell_of_one_fails(tmp_path: Path, what: str) -> None:
    line, said = LEAVES[what]
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        "from tests.e2e.secrets_hunt import secrets_hunt as secrets_hunt\n"
        "from tests.e2e.secrets_hunt import pytest_runtest_logreport as pytest_runtest_logreport\n"
        "@pytest.fixture(scope='session')\ndef installers_environment(): return {}\n"
    )
    (tmp_path / "test_leaves.py").write_text(
        "import base64, json, subprocess, tempfile\n"
        "def test_it(tmp_path, secrets_hunt, monkeypatch):\n"
        "    SECRET, log = secrets_hunt.make('docker-registry: password'), tmp_path / 'scheduler.log'\n"
        f"    {line}\n"
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

    assert done.returncode == bool(what), done.stdout + done.stderr
    _, is_told, told = done.stdout.partition("secrets of the tests stand in what they left")
    assert bool(is_told) == bool(what)
    assert said in told
