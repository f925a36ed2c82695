"""skopeo reads and writes the same folders."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.referrers import attach
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.testing.builders import push_random_modelkit


@pytest.fixture
def skopeo():
    program = shutil.which("skopeo")
    if program is None:
        message = "skopeo is not installed (apt-get install skopeo)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)

    def run(*arguments: str) -> bytes:
        return subprocess.run([program, *arguments], check=True, capture_output=True).stdout

    return run


@pytest.fixture
def layout(folder_registry):
    return open_repository(Reference(folder_registry, "team/iris"))


def test_skopeo_reads_a_tag_of_a_folder(skopeo, layout):
    first = push_random_modelkit(layout, tag="v1", seed=1)
    push_random_modelkit(layout, tag="v2", seed=2)
    attach(layout, first.descriptor, artifact_type="application/x", layers=[(b"x", "text/plain")])
    assert skopeo("inspect", "--raw", f"oci:{layout.directory}:v1") == first.manifest.content


def test_skopeo_and_we_may_write_the_same_folder(skopeo, layout, docker_registry, repository_name):
    remote = open_repository(docker_registry.reference(repository_name))
    built = push_random_modelkit(remote, tag="v1")
    ours = push_random_modelkit(layout, tag="ours", seed=3)
    address = f"docker://{docker_registry.host}/{repository_name}:v1"
    skopeo("copy", "--preserve-digests", "--src-tls-verify=false", address, f"oci:{layout.directory}:theirs")
    assert list(layout.tags()) == ["ours", "theirs"]
    assert layout.resolve("theirs").digest == built.descriptor.digest
    assert layout.resolve("ours") == ours.descriptor
    assert copy(layout, "theirs", remote, tag="again").blobs_skipped == 3


def test_skopeo_carries_a_folder_to_a_registry_unchanged(skopeo, layout, docker_registry, repository_name):
    built = push_random_modelkit(layout, tag="v1")
    address = f"docker://{docker_registry.host}/{repository_name}:v1"
    skopeo("copy", "--preserve-digests", "--dest-tls-verify=false", f"oci:{layout.directory}:v1", address)
    assert open_repository(docker_registry.reference(repository_name)).resolve("v1").digest == built.descriptor.digest
