from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import KitOpsResource
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.testing.builders import make_context_dir


@pytest.fixture
def kitops(tmp_path: Path) -> KitOpsResource:
    """A resource over a folder registry of the test's own."""
    return KitOpsResource(registry=folder_registry(tmp_path / "registry"), scratch_dir=str(tmp_path / "scratch"))


@pytest.fixture
def bare_kitops(kitops: KitOpsResource) -> KitOpsResource:
    """The same registry, without provenance."""
    return KitOpsResource(registry=kitops.registry, attach_provenance=False)


@pytest.fixture
def context_dir(tmp_path: Path) -> Path:
    """A directory with a Kitfile, a model, a dataset, code and a README."""
    return make_context_dir(tmp_path / "context")


@pytest.fixture(scope="session")
def shared_instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def instance(shared_instance):
    """An empty instance: making one takes longer than most tests, emptying one does not."""
    shared_instance.wipe()
    shutil.rmtree(shared_instance.storage_directory(), ignore_errors=True)  # what assets pickled stays otherwise
    return shared_instance


@pytest.fixture
def run(kitops, instance):
    """Materialize on one instance, with the resource."""

    def materialize(assets, **options):
        resources = {"kitops": kitops, **options.pop("resources", {})}
        return dg.materialize(assets, resources=resources, instance=instance, **options)

    return materialize
