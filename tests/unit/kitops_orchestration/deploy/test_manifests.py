"""Hand-off manifests: valid by the published schemas, and pinned to the digest."""

import json
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from kitops_orchestration.deploy.docker import compose, dockerfile
from kitops_orchestration.deploy.entrypoint import read_request
from kitops_orchestration.deploy.kserve import cluster_storage_container, inference_service
from kitops_orchestration.deploy.kubernetes import Handoff, deployment, image_volume_pod
from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.modelkit.unpacking.filters import parse_filters
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.settings import InitEnvironment

DIGEST = "sha256:" + "4" * 64
REFERENCE = Reference.parse(f"registry.example/prod/iris:1.4.0@{DIGEST}")
PINNED = f"registry.example/prod/iris@{DIGEST}"
SCHEMAS = Path(__file__).parents[3] / "data" / "schemas"


def handoff(**more) -> Handoff:
    return Handoff(REFERENCE, "iris", "registry.example/tools/kitctl:1", **more)


@pytest.mark.parametrize("version", ["1.31", "1.35"])
def test_a_deployment_is_valid_and_says_which_modelkit_it_runs(version):
    found = deployment(
        handoff(key_secret="release-key", pull_secret="registry"), server_image="registry.example/server:2"
    )

    kubernetes_validate.validate(found, version, strict=True)
    pod = found["spec"]["template"]
    env = {item["name"]: item["value"] for item in pod["spec"]["initContainers"][0]["env"]}
    assert env["MODELKIT_REF"] == PINNED
    assert env["COSIGN_KEY"].endswith("cosign.pub")
    assert pod["metadata"]["annotations"]["ml.kitops.orchestration/modelkit"] == PINNED
    mounted = {mount["name"] for mount in pod["spec"]["initContainers"][0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}


def test_an_image_volume_pod_is_valid_where_kubernetes_has_them():
    image = Reference.parse(f"registry.example/prod/iris-image@{DIGEST}")

    found = image_volume_pod(handoff(), image_reference=image, server_image="registry.example/server:2")

    kubernetes_validate.validate(found, "1.33", strict=True)
    assert found["spec"]["volumes"][0]["image"]["reference"] == f"registry.example/prod/iris-image@{DIGEST}"
    with pytest.raises(InvalidReferenceError):
        image_volume_pod(handoff(), image_reference=REFERENCE.with_tag("v1"), server_image="x")


def test_kserve_objects_fit_the_schemas():
    storage = cluster_storage_container(image="registry.example/tools/kitctl:1", key_secret="release-key")
    service = inference_service(handoff(), model_format="sklearn", runtime="kserve-mlserver")

    jsonschema.validate(storage, json.loads((SCHEMAS / "cluster_storage_container.json").read_bytes()))
    jsonschema.validate(service, json.loads((SCHEMAS / "inference_service.json").read_bytes()))
    assert service["spec"]["predictor"]["model"]["storageUri"] == f"kit://{PINNED}"


def test_docker_files_name_the_digest_and_not_the_tag():
    text = dockerfile(handoff(), server_image="registry.example/server:2")
    value = yaml.safe_load(yaml.safe_dump(compose(handoff(), server_image="registry.example/server:2")))

    assert f"kitctl unpack {PINNED} -d /modelkit --filter model" in text
    assert "iris:1.4.0" not in text
    assert value["services"]["modelkit"]["environment"]["MODELKIT_REF"] == PINNED
    assert value["services"]["server"]["depends_on"]["modelkit"]["condition"] == "service_completed_successfully"


def test_a_key_is_never_left_out_in_silence():
    held = handoff(key_secret="release-key")

    text = dockerfile(held, server_image="registry.example/server:2")
    value = compose(held, server_image="registry.example/server:2")

    assert text.index(f"kitctl verify {PINNED} --key /cosign.pub") < text.index("kitctl unpack")
    fetching = value["services"]["modelkit"]
    assert fetching["environment"]["COSIGN_KEY"] == f"/run/secrets/{fetching['secrets'][0]}"
    assert value["secrets"] == {"release-key": {"file": "./cosign.pub"}}


@pytest.mark.parametrize(
    ("filters", "text"), [(("model", "docs"), "model,docs"), (("model", "datasets:train"), "model datasets:train")]
)
def test_filters_arrive_in_the_init_container_as_they_were_given(filters, text):
    found = deployment(handoff(filters=filters), server_image="x")["spec"]["template"]["spec"]["initContainers"][0]
    env = {item["name"]: item["value"] for item in found["env"]}

    request = read_request((), InitEnvironment(PINNED, filters=env["UNPACK_FILTER"]))

    assert env["UNPACK_FILTER"] == text
    kept = {(kind, item.values) for item in parse_filters(request.filters) for kind in item.types}
    assert kept == {(kind, item.values) for item in parse_filters(filters) for kind in item.types}


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("registry.example/prod/iris:1.4.0", "iris"),
        (f"file:///models/iris@{DIGEST}", "iris"),
        (f"registry.example/prod/iris@{DIGEST}", "Iris_1"),
        (f"registry.example/prod/iris@{DIGEST}", "x" * 64),
    ],
)
def test_what_a_cluster_could_not_use_is_refused(reference, name):
    with pytest.raises(InvalidReferenceError) as caught:
        Handoff(Reference.parse(reference), name, "image")

    assert caught.value.advice
