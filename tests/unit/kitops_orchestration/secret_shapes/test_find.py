"""Secrets are found by shape, placeholders and data are not, and no text costs more than its length."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kitops_orchestration.secret_shapes import REDACTED, find, is_secret_name, redact

ONLY_BY_NAME_OF_FILE = {".docker/config.json", ".pgpass", "kaggle.json"}
"""Their values have no shape; the gate knows the files."""


def test_every_planted_secret_is_found_in_its_line(planted: dict[str, Any]) -> None:
    items = [*planted["PLANTED"], *planted["HELD_OUT"]]
    missed = {item.path for item in items if item.line not in {found.line for found in find(item.text)}}

    assert missed == ONLY_BY_NAME_OF_FILE
    assert len(items) > 75


def test_what_is_found_covers_the_value(planted: dict[str, Any]) -> None:
    for item in (*planted["PLANTED"], *planted["HELD_OUT"]):
        if item.path not in ONLY_BY_NAME_OF_FILE and not item.path.endswith((".ipynb", ".json")):
            assert item.secret not in redact(item.text), item.path
            assert REDACTED in redact(item.text)


def test_nothing_is_found_in_data_and_placeholders(planted: dict[str, Any]) -> None:
    texts = {**planted["PLACEHOLDERS"], **{name: make() for name, make in planted["INNOCENT"].items()}}
    found = {name: [(item.kind, item.line) for item in find(text)] for name, text in texts.items()}

    assert {name: items for name, items in found.items() if items} == {}


def test_a_text_without_secrets_stays_as_it_is() -> None:
    text = "accuracy = 0.97\nmax_tokens: 4096\n"
    assert redact(text) == text


@pytest.mark.parametrize("letter", ["\u0130", "\u1e9e", "\ufb01", "\U0001d400"])
def test_letters_that_grow_when_they_are_made_small_do_not_shift_places(letter: str) -> None:
    text = letter * 50 + "\npassword: Bl4uer-himmel-9\n"
    (found,) = find(text)
    assert (text[found.start : found.end], found.line) == ("Bl4uer-himmel-9", 2)


@pytest.mark.parametrize(
    "name", ["db_password", "DB_PASSWORD", "clientSecret", "apiKey", "_authToken", "x-api-key", "pgpassword"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "pad_token_id",
        "token_count",
        "password_file",
        "secretName",
        "api_key_env",
        "tokenizer",
        "bos_token",
    ],
)
def test_names_that_only_sound_like_secrets(name: str) -> None:
    assert not is_secret_name(name)


MIB = 1 << 20
HOSTILE = (
    "a",
    "eyJ",
    "eyJ.",
    "://",
    "://u:p@",
    '"token":"ab",',
    "token=",
    "password",
    "_key: ",
    "sk-",
    ":AA",
    "1Q~",
    "?sig=",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN A B ",
    "Authorization: Bearer ",
    "wandb ",
    "password ",
    "x_token-",
    "machine a login b password ",
    "client-key-data: ",
    "\\n",
    'password:"\\',
    "AKIA",
    "ghp_",
    "password                                                                ",
    "requirepass ",
    "curl -u a: ",
    "curl -u a:b ",
    "mysql -p ",
    "mysql -pa1 ",
    "login -p\n",
    " -p",
    "sshpass -p ",
    "identified by '",
    "user password '",
    "define('PASSWORD', '",
    ";pwd=",
    "$6$",
    "$argon2id$m=1$",
    "\nrequirepass ",
    ".login('a', '",
    "auth=('a', '",
    "curl \\\n-u ",
    "http -a b: ",
    "openssl pass: ",
)


@pytest.mark.parametrize("piece", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_costs_more_than_its_length(piece: str) -> None:
    """A pattern that is tried from every place to the end would take a minute for a quarter of a MiB."""
    started = time.process_time()
    find(piece * (MIB // 4 // len(piece)))
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "text",
    [
        'app.config.get("API_KEY", "none of your business")',
        'COLUMNS = ["password", "hashed-4-times-ok", "created_at"]',
        'os.getenv("DB_PASSWORD", default_password)',
        "docker run -p 8080:80 -u 1000:1000 train",
        "mysql -u root -p features_2026_v2",
        'curl -u "$USER:$PASSWORD" https://a.example',
        "first_pass = 'a1b2c3d4e5f6'",
        "second_pass: a1b2c3d4e5f6g7",
        "# requirepass foobared1234",
        "ALTER USER ml IDENTIFIED BY '${PW_OF_ML_1}';",
        "The password 'swordfish77 is it' was said",
        "login -p ${TOKEN_OF_CI}",
        "$2b$12$",
    ],
)
def test_arguments_that_are_no_secrets(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("curl -x http://p:3128 \\\n  --user ada:Tr41n-on-x9 -o x https://a.corp", "Tr41n-on-x9"),
        ("mysqldump --host db -pTr41n-on-x9 features", "Tr41n-on-x9"),
        ("skopeo login -u ci -p Tr41n-on-x9 registry.corp", "Tr41n-on-x9"),
        ("define ( 'X' ) ; define('DB_PASSWORD','Tr41n-on-x9');", "Tr41n-on-x9"),
        ("create user ml identified with sha256_password by 'Tr41n-on-x9'", "Tr41n-on-x9"),
        ('conf.set("fs.s3a.secret.key", "Tr41n-on-x9")', "Tr41n-on-x9"),
        ('x = "Server=db;Uid=ml;Pwd=Tr41n-on-x9;"', "Tr41n-on-x9"),
        ("  requirepass Tr41n-on-x9\n", "Tr41n-on-x9"),
    ],
)
def test_arguments_that_are_secrets(text: str, secret: str) -> None:
    (found,) = find(text)
    assert text[found.start : found.end] == secret
    assert secret not in redact(text)
