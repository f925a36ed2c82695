"""The media that have to behave the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.testing.registry import Behaviour, EmbeddedRegistry

OpenRepository = Callable[[str], Repository]
MEDIA = (
    "folder",
    "embedded",
    "embedded-without-referrers-api",
    "embedded-header-without-referrers-api",
    "embedded-token",
    "embedded-folder",
    "docker-registry",
    "docker-registry-with-auth",
)


@pytest.fixture(params=MEDIA)
def medium(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def open_named(medium: str, request: pytest.FixtureRequest) -> OpenRepository:
    """Open a repository of one registry of this medium, by name."""
    if medium == "folder":
        registry = request.getfixturevalue("folder_registry")
        return lambda name: open_repository(Reference(registry, name))
    running = _registry(medium, request)
    credentials = None
    if getattr(running, "username", None):
        from kitops_orchestration.oci.credentials import Credential, StaticCredentials

        credentials = StaticCredentials({running.host: Credential(running.username, running.password)})
    return lambda name: open_repository(running.reference(name), credentials=credentials)


def _registry(medium: str, request: pytest.FixtureRequest):
    if medium.startswith("docker-registry"):
        return request.getfixturevalue(medium.replace("-", "_"))
    registry = EmbeddedRegistry(
        storage_dir=request.getfixturevalue("tmp_path") / "served" if medium == "embedded-folder" else None,
        auth="token" if medium == "embedded-token" else "none",
        behaviour=Behaviour(
            referrers_api="without-referrers-api" not in medium,
            subject_header=True if "header-without" in medium else None,
        ),
    ).start()
    request.addfinalizer(registry.stop)
    return registry


@pytest.fixture
def repository(open_named: OpenRepository, repository_name: str) -> Repository:
    """An empty repository of this medium."""
    return open_named(repository_name)
