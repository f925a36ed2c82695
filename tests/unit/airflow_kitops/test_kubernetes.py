"""The manifests of examples/airflow/kubernetes: valid by the published schemas, and by what those do not say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2
import kubernetes_validate
import pytest
import yaml

from kitops_orchestration.deploy.entrypoint import read_request
from kitops_orchestration.deploy.kubernetes import Handoff, init_container, volumes
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.settings import InitEnvironment
from kitops_orchestration.signing.trust import TrustPolicy

FOLDER = Path(__file__).parents[3] / "examples" / "airflow" / "kubernetes"
REFERENCE = "registry.example/prod/iris:production@sha256:" + "4" * 64
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
UNITS = {"m": Decimal("0.001"), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "": Decimal(1)}
MEASURED_MIB = 188
"""Of one task, resident, in a worker of its own."""


def objects(name: str) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all((FOLDER / name).read_text()) if found]


EVERY = [(path.name, found) for path in sorted(FOLDER.glob("*.yaml")) for found in objects(path.name)]
PODS = [(name, found) for name, found in EVERY if found["kind"] == "Pod"]


def named(case: tuple[str, dict[str, Any]]) -> str:
    return f"{case[0]}-{case[1]['kind']}-{case[1]['metadata']['name']}"


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def quantity(text: str) -> Decimal:
    number, unit = re.fullmatch(r"([0-9.]+)(\D*)", str(text)).groups()
    return Decimal(number) * UNITS[unit]


@pytest.mark.parametrize("version", ["1.31", "1.35"])
@pytest.mark.parametrize("case", EVERY, ids=named)
def test_every_object_fits_the_schemas(case, version: str) -> None:
    kubernetes_validate.validate(case[1], version, strict=True)


def test_the_schemas_are_strict() -> None:
    (pod,) = objects("worker.yaml")
    pod["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, "1.35", strict=True)


@pytest.mark.parametrize("case", PODS, ids=named)
def test_every_mount_has_its_volume_and_every_volume_a_use(case) -> None:
    mounted = {mount["name"] for container in containers(case[1]) for mount in container.get("volumeMounts", [])}
    assert mounted == {volume["name"] for volume in case[1]["spec"]["volumes"]}


@pytest.mark.parametrize("case", PODS, ids=named)
def test_no_pod_claims_a_volume_that_outlives_it(case) -> None:
    kinds = {next(kind for kind in volume if kind != "name") for volume in case[1]["spec"]["volumes"]}
    assert kinds <= {"emptyDir", "secret", "configMap"}


@pytest.mark.parametrize("case", PODS, ids=named)
def test_what_is_requested_is_below_the_limit_and_enough(case) -> None:
    for container in containers(case[1]):
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert all(quantity(requests[kind]) <= quantity(limits[kind]) for kind in limits if kind in requests)
        assert "cpu" not in limits  # a transfer that is throttled takes longer and saves nothing
    task = case[1]["spec"]["containers"][0]["resources"]
    assert quantity(task["requests"]["memory"]) >= MEASURED_MIB * 2**20


@pytest.mark.parametrize("case", PODS, ids=named)
def test_names_accounts_and_secrets_are_there(case) -> None:
    there = {(found["kind"], found["metadata"]["name"]) for _, found in EVERY}
    assert all(NAME.fullmatch(name) for _, name in there)
    assert ("ServiceAccount", case[1]["spec"]["serviceAccountName"]) in there
    assert {found["metadata"].get("namespace") for _, found in EVERY} == {"airflow"}
    asked = {volume["secret"]["secretName"] for volume in case[1]["spec"]["volumes"] if "secret" in volume}
    for container in containers(case[1]):
        sources = [
            item["valueFrom"]["secretKeyRef"]["name"] for item in container.get("env", []) if "valueFrom" in item
        ]
        asked |= set(sources)
    page = (FOLDER.parents[2] / "docs" / "how-to" / "airflow-on-kubernetes.md").read_text()
    assert [name for name in asked if f" {name} " not in page] == []  # the page says how each is made


@pytest.mark.parametrize("case", PODS, ids=named)
def test_airflow_finds_the_container_of_the_task(case) -> None:
    assert case[1]["spec"]["containers"][0]["name"] == "base"
    assert case[1]["spec"]["restartPolicy"] == "Never"


def test_no_secret_stands_in_a_manifest() -> None:
    assert not [found for _, found in EVERY if found["kind"] == "Secret"]
    (worker,) = objects("worker.yaml")
    plain = [item for item in worker["spec"]["containers"][0]["env"] if "value" in item]
    assert all("PASSWORD" not in item["name"] and "CONN" not in item["name"] for item in plain)


def test_the_scheduler_may_do_with_pods_what_the_executor_does_and_the_worker_nothing() -> None:
    (role,) = (found for _, found in EVERY if found["kind"] == "Role")
    (binding,) = (found for _, found in EVERY if found["kind"] == "RoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert {subject["name"] for subject in binding["subjects"]} == {"airflow-scheduler"}
    assert {rule for rules in role["rules"] for rule in rules["verbs"]} >= {"create", "watch", "delete"}
    assert "secrets" not in {resource for rules in role["rules"] for resource in rules["resources"]}


def test_the_trust_policy_of_the_config_map_is_one(tmp_path: Path) -> None:
    from kitops_orchestration.signing.keys import generate_key_pair

    (found,) = (item for _, item in EVERY if item["kind"] == "ConfigMap")
    (tmp_path / "trust.yaml").write_text(found["data"]["trust.yaml"])
    (tmp_path / "airflow.pub").write_text(generate_key_pair().public_key.pem)
    assert [identity.id for identity in TrustPolicy.load(tmp_path / "trust.yaml").identities] == ["airflow"]


def test_the_init_container_is_the_one_that_deploy_writes() -> None:
    (pod,) = objects("predict.yaml")
    text = jinja2.Template((FOLDER / "predict.yaml").read_text()).render(ti=Pulled())
    (rendered,) = yaml.safe_load_all(text)
    found = rendered["spec"]["initContainers"][0]
    environment = {item["name"]: item["value"] for item in found["env"]}
    request = read_request(
        (), InitEnvironment(environment["MODELKIT_REF"], environment["UNPACK_PATH"], environment["UNPACK_FILTER"])
    )
    assert "4" * 64 in str(request.reference)
    asked = Handoff(
        Reference.parse(REFERENCE),
        "predict",
        found["image"],
        "/model",
        key_secret="release-key",
        pull_secret="registry-pull",
    )
    written = init_container(asked)
    written["env"][0]["value"] = REFERENCE
    assert {name: value for name, value in found.items() if name != "resources"} == written
    assert pod["spec"]["volumes"] == volumes(asked)


class Pulled:
    def xcom_pull(self, task_ids: str) -> dict[str, str]:
        assert task_ids == "promote"
        return {"reference": REFERENCE}
