"""Redis, PostgreSQL and a docker-registry with a password behind a relay: for orchestrators with two workers.

The road from the workers to the registry is a relay of this process, which counts bytes and can hold a request, so that
a worker dies in a known moment of a push and not after some seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from tests.e2e.secrets_hunt import Hunt
from tests.e2e.secrets_hunt import pytest_runtest_logreport as pytest_runtest_logreport
from tests.e2e.secrets_hunt import secrets_hunt as secrets_hunt
from tests.e2e.services import Relay, free_port, program


@pytest.fixture(scope="session")
def place(secrets_hunt: Hunt) -> Iterator[Path]:
    """A folder that another user may reach: PostgreSQL does not run as root, and pytest's folders are closed."""
    folder = Path(tempfile.mkdtemp(prefix="kitops-celery-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    secrets_hunt.look(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis(place: Path) -> Iterator[int]:
    """Redis, on its own port; the value is the port."""
    port, server = free_port(), program("redis-server")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(place)]
    process = subprocess.Popen([server, *options, "--rdbcompression", "no"], stdout=subprocess.DEVNULL)
    yield port
    import redis

    with redis.Redis(port=port) as broker:
        broker.save()  # what is in its memory is looked through as well
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def postgres(place: Path) -> Iterator[int]:
    """PostgreSQL with an empty database for each orchestrator, of the user ``kitops``; the value is its port."""
    versions = sorted(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))
    control, port, home = Path(program("pg_ctl", *reversed(versions))), free_port(), place / "postgres"
    home.mkdir()
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
        as_user = [program("setpriv"), "--reuid=postgres", "--regid=postgres", "--init-groups", "--reset-env"]

    def run(name: str, *arguments: str) -> None:
        subprocess.run(
            [*as_user, str(control.with_name(name)), *arguments], cwd="/", check=True, stdout=subprocess.DEVNULL
        )

    data = str(home / "data")
    run("initdb", "-D", data, "-U", "kitops", "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8")
    settings = {"listen_addresses": "'127.0.0.1'", "port": str(port), "unix_socket_directories": "''", "fsync": "off"}
    settings |= {"synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB", "autovacuum": "off"}
    with (home / "data" / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in {**settings, "max_connections": "200"}.items())
    run("pg_ctl", "-D", data, "-l", str(home / "log"), "-w", "-t", "60", "start")
    try:
        for database in ("airflow", "dagster"):
            run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "kitops", database)
        yield port
        for database in ("airflow", "dagster"):
            # As text: a long value is compressed in the files of a table.
            run(
                "pg_dump",
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                "-U",
                "kitops",
                "-f",
                str(home / f"{database}.sql"),
                database,
            )
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def docker_registry_with_auth(docker_registry_with_auth: Any, secrets_hunt: Hunt) -> Any:
    """The same registry; its secrets are looked for at the end."""
    secrets_hunt.plant("docker-registry: password", docker_registry_with_auth.password)
    own = ["docker-registry-auth0/config.yml"]
    secrets_hunt.plant("docker-registry: secret of its uploads", docker_registry_with_auth.secret, may_be_in=own)
    return docker_registry_with_auth


@pytest.fixture(scope="session")
def relay(docker_registry_with_auth) -> Iterator[Relay]:
    found = Relay(docker_registry_with_auth.host)
    yield found
    found.close()


@pytest.fixture(scope="session")
def client(docker_registry_with_auth) -> KitClient:
    """The test's own way to the registry, around the relay."""
    secret = Credential(username=docker_registry_with_auth.username, password=docker_registry_with_auth.password)
    host = docker_registry_with_auth.host
    return KitClient(host, credentials=StaticCredentials({host: secret}))
