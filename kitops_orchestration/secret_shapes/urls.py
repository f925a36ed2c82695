"""``user:password@host``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kitops_orchestration.secret_shapes.hit import Hit, is_masked

_URL_USER = re.compile(r"://([^\s/@:'\"<>\\,]{0,100}):([^\s/@'\"<>\\]{1,200})@([A-Za-z0-9.\[\]_-]{1,200})")
_COMMON = frozenset(
    [
        "password",
        "passwd",
        "pass",
        "pwd",
        "secret",
        "token",
        "user",
        "username",
        "admin",
        "root",
        "guest",
        "test",
        "changeme",
        "postgres",
        "mysql",
        "minio",
        "minioadmin",
        "airflow",
        "mlflow",
        "rabbitmq",
        "redis",
        "hunter2",
        "pw",
        "p",
        "xxx",
        "foo",
        "bar",
    ]
)
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]", "example.", "host.docker.internal")


def urls(text: str) -> Iterator[Hit]:
    """Yield the passwords of URLs; those of local hosts and those that are the user's name are not sure."""
    start = text.find("://")
    while start >= 0:
        match = _URL_USER.match(text, start)
        if match is None:
            start = text.find("://", start + 3)
            continue
        user, password, host = match.groups()
        if not (_is_variable(user) or _is_variable(password) or is_masked(password) or password.lower() in _COMMON):
            is_sure = user != password and not host.lower().startswith(_LOCAL_HOSTS)
            yield match.start(2), match.end(2), "url-password", "a password in a URL", is_sure
        start = text.find("://", match.end())


def _is_variable(value: str) -> bool:
    return any(sign in value for sign in ("$", "{", "<", "%(", "*"))
