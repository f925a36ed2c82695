"""The image rendition is an image to other tools, and costs no byte of a layer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from kitops_orchestration import KitClient
from kitops_orchestration.deploy.image import ANNOTATION_MODELKIT, render_image
from kitops_orchestration.errors import UnsupportedModelKitError
from kitops_orchestration.oci.auth.credentials import StaticCredentials


@pytest.fixture
def packed(docker_registry, repository_name, tmp_path: Path):
    context = tmp_path / "context"
    (context / "model").mkdir(parents=True)
    (context / "model" / "weights.bin").write_bytes(b"w" * 70_000)
    (context / "train.csv").write_text("a\n1\n")
    (context / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: model}\ndatasets: [{path: train.csv}]\n"
    )
    client = KitClient(docker_registry.host, credentials=StaticCredentials({}))
    return client, client.pack(context, f"{repository_name}:v1")


def skopeo(*arguments: str) -> str:
    if shutil.which("skopeo") is None:
        assert not os.environ.get("CI"), "skopeo has to be there in CI"
        pytest.skip("skopeo is not installed")
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True, text=True).stdout


def _only_layer(layout_dir: Path) -> Path:
    """Return the layer of the one image in a layout; skopeo may have compressed it and written its manifest."""

    def blob(descriptor: dict[str, str]) -> Path:
        return layout_dir / "blobs" / Path(*descriptor["digest"].split(":"))

    (manifest,) = json.loads((layout_dir / "index.json").read_text())["manifests"]
    (layer,) = json.loads(blob(manifest).read_text())["layers"]
    return blob(layer)


def test_another_tool_sees_an_image_with_the_model_in_it(packed, tmp_path):
    client, kit = packed
    repository = client.repository(kit.reference)

    image = render_image(repository, kit.digest, tag="v1-image")
    again = render_image(repository, kit.digest, tag="v1-image")

    assert again.digest == image.digest
    assert [layer.digest for layer in image.layers] == [kit.layers[0].descriptor.digest], "the very same blob"
    shown = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{image.reference.name}:v1-image"))
    assert shown["Digest"] == image.digest
    assert shown["Labels"][ANNOTATION_MODELKIT].endswith(str(kit.digest))
    skopeo("copy", "--src-tls-verify=false", f"docker://{image.reference.name}:v1-image", f"oci:{tmp_path}/out:v1")
    with tarfile.open(_only_layer(tmp_path / "out")) as tar:
        assert tar.getnames() == ["model", "model/weights.bin"]


def test_layers_that_no_image_can_hold_are_refused(docker_registry, repository_name, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"raw")
    (tmp_path / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: weights.bin}\n")
    client = KitClient(docker_registry.host, credentials=StaticCredentials({}))
    kit = client.pack(tmp_path, f"{repository_name}:raw", layer_format="raw")
    repository = client.repository(kit.reference)

    with pytest.raises(UnsupportedModelKitError, match="cannot hold"):
        render_image(repository, kit.digest)
    with pytest.raises(UnsupportedModelKitError, match="no layer of docs"):
        render_image(repository, kit.digest, kinds=["docs"])
