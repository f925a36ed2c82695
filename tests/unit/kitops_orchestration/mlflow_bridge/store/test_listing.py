from __future__ import annotations

import pytest

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.mlflow_bridge.store.listing import list_files
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.testing.builders import push_bytes, tar_header

FIRST = tar_header("model/first", b"%011o\0" % 2) + b"{}".ljust(512, b"\0")
END = bytes(1024)


def with_layer(tmp_path, content):
    repository = LayoutRepository(Reference.parse(f"file://{tmp_path}/kits/iris"))
    config = push_bytes(repository, b'{"manifestVersion":"1.0.0","model":{"path":"model"}}')
    layer = push_bytes(repository, content)
    manifest = Manifest.build(
        config=Descriptor("application/vnd.kitops.modelkit.config.v1+json", config.digest, config.size),
        layers=[Descriptor("application/vnd.kitops.modelkit.model.v1.tar", layer.digest, layer.size)],
    )
    return repository, repository.push_manifest(manifest, tag="v1").digest


def test_files_are_listed_from_the_headers(tmp_path):
    repository, digest = with_layer(tmp_path, FIRST + END)
    assert list_files(repository, digest, kinds=frozenset({"model"})) == {"model/first": 2}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(b"\xff" * 10 + b"\xfe\x00", id="to itself"),  # minus 512: where the header began
        pytest.param(b"\x80" + b"\x7f" * 11, id="beyond all files"),
    ],
)
def test_a_layer_whose_numbers_lead_astray_is_refused(tmp_path, size):
    repository, digest = with_layer(tmp_path, FIRST + tar_header("odd", size) + END)
    with pytest.raises(ModelKitError, match="not a tar archive"):
        list_files(repository, digest, kinds=frozenset({"model"}))
