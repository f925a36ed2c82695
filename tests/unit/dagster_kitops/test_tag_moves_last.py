"""Push, attach, sign, tag: whoever sees a tag finds the evidence and the signature of what it points at."""

from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import KitOpsResource, ModelKitIOManager, ModelKitSignerResource, modelkit_asset
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.registry import EmbeddedRegistry


@pytest.fixture
def registry():
    with EmbeddedRegistry() as server:
        yield server


@pytest.fixture
def signing(registry, tmp_path):
    private_path, _ = generate_key_pair("secret", key_format="pkcs8").write(tmp_path / "release")
    signer = ModelKitSignerResource(private_key_path=str(private_path), password="secret")
    return KitOpsResource(registry=registry.host, signer=signer, retries=0)


def manifests_written(registry):
    """What was written below `/manifests/`, in order: tags and digests."""
    return [
        request.path.rsplit("/", 1)[-1]
        for request in registry.requests
        if request.method == "PUT" and "/manifests/" in request.path and request.status == 201
    ]


def decorated(context_dir):
    @modelkit_asset(repository="team/tiny", sign=True, extra_tags=["stable"])
    def tiny():
        return context_dir

    return tiny, {}, ["latest", "stable"]


def stored(context_dir):
    @dg.asset(metadata={"kitops/repository": "team/tiny"})
    def tiny() -> Path:
        return context_dir

    return tiny, {"sign": True}, ["latest"]


@pytest.mark.parametrize("make", [decorated, stored])
def test_the_tags_are_the_last_thing_that_is_written(run, registry, signing, context_dir, make):
    asset, options, tags = make(context_dir)
    resources = {"kitops": signing, "io_manager": ModelKitIOManager(kitops=signing, **options)}
    assert run([asset], resources=resources).success
    written = manifests_written(registry)
    assert written[0].startswith("sha256:")
    assert written[-len(tags) :] == tags
    assert not {*tags} & {*written[: -len(tags)]}
    assert any(name.endswith(".sig") for name in written)


@pytest.mark.parametrize("make", [decorated, stored])
def test_a_signature_that_the_registry_refuses_moves_no_tag(run, registry, signing, context_dir, make):
    registry.fail_next(method="PUT", path_contains=".sig", status=403)
    asset, options, _ = make(context_dir)
    resources = {"kitops": signing, "io_manager": ModelKitIOManager(kitops=signing, **options)}
    assert not run([asset], resources=resources, raise_on_error=False).success
    assert not {"latest", "stable"} & {*manifests_written(registry)}
