"""A hunt for secrets in all that Dagster keeps: events, runs, snapshots, cursors, logs; of runs good and bad."""

import base64
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

from dagster_kitops import (
    ApprovalConfig,
    BasicAuth,
    KitOpsResource,
    MLflowResource,
    ModelKitIOManager,
    ModelKitSignerResource,
    PromoteConfig,
    PromotionStage,
    RollbackConfig,
    TrustResource,
    build_approval_job,
    build_modelkit_checks,
    build_modelkit_tag_sensor,
    build_observable_modelkits,
    build_promotion_assets,
    build_promotion_job,
    build_rollback_job,
    integrity_check,
    modelkit_asset,
    signature_check,
    validate_modelkits,
)
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.builders import make_context_dir
from kitops_orchestration.testing.registry import EmbeddedRegistry, Fault

pytestmark = pytest.mark.needs("signing")

PASSWORD = "pa55-of-the-registry"
KEY_PASSWORD = "pa55-of-the-key"
MLFLOW_TOKEN = "t0ken-of-mlflow"
POLICY = "version: 1\nstages: {production: {checks: [{approvals: {roles: [risk], count: 1}}]}}\n"


@pytest.fixture
def registry():
    with EmbeddedRegistry(auth="token", username="robot", password=PASSWORD) as server:
        yield server


@pytest.fixture
def key(tmp_path, monkeypatch) -> str:
    """The private key, in the environment of the steps; returned as the text that must be nowhere."""
    pair = generate_key_pair(KEY_PASSWORD, key_format="pkcs8")
    person = {
        "id": "ada",
        "roles": ["builder", "releaser", "approver", "risk"],
        "keys": [{"publicKey": pair.public_key.pem}],
    }
    (tmp_path / "trust.yaml").write_text(yaml.safe_dump({"version": 1, "identities": [person]}))
    (tmp_path / "promotion.yaml").write_text(POLICY)
    pem = pair.private_pem.decode()
    for name, value in (
        ("REGISTRY_PASSWORD", PASSWORD),
        ("RELEASE_KEY", pem),
        ("RELEASE_KEY_PASSWORD", KEY_PASSWORD),
        ("MLFLOW_TOKEN", MLFLOW_TOKEN),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),
    ):
        monkeypatch.setenv(name, value)
    return pem.splitlines()[1]


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "dagster").mkdir()
    with dg.instance_for_test(temp_dir=str(tmp_path / "dagster")) as made:
        yield made


@pytest.fixture
def definitions(registry, tmp_path, key):
    make_context_dir(tmp_path / "context")

    @modelkit_asset(repository="team/tiny", tag="v1", sign=True, io_manager_key="modelkits")
    def tiny():
        return tmp_path / "context"

    @dg.asset
    def served(tiny: Path) -> None:
        assert (tiny / "model.bin").is_file()

    def made(password: object = None) -> dg.Definitions:
        auth = BasicAuth(username="robot", password=password or dg.EnvVar("REGISTRY_PASSWORD"))
        kitops = KitOpsResource(
            registry=registry.host,
            auth=auth,
            retries=0,
            resumes_uploads=True,
            signer=ModelKitSignerResource(
                private_key_pem=dg.EnvVar("RELEASE_KEY"), password=dg.EnvVar("RELEASE_KEY_PASSWORD")
            ),
            trust=TrustResource(policy_path=str(tmp_path / "trust.yaml")),
            mlflow=MLflowResource(tracking_uri="http://127.0.0.1:1", token=dg.EnvVar("MLFLOW_TOKEN")),
        )
        stages = [PromotionStage("production", policy_path=tmp_path / "promotion.yaml", mlflow_alias="tiny")]
        people = {"source": "tiny", "stages": stages}
        return validate_modelkits(
            dg.Definitions(
                assets=[
                    tiny,
                    served,
                    build_observable_modelkits({"seen": "team/tiny:v1"}),
                    *build_promotion_assets(source=tiny, stages=stages),
                ],
                asset_checks=build_modelkit_checks(assets=[tiny], checks=[integrity_check(), signature_check()]),
                jobs=[build_promotion_job(**people), build_rollback_job(**people), build_approval_job(**people)],
                sensors=[build_modelkit_tag_sensor(repositories={"team/tiny": "seen"}, tags="v1")],
                resources={"kitops": kitops, "modelkits": ModelKitIOManager(kitops=kitops)},
            )
        )

    return made


def kept(folder: Path) -> Iterator[str]:
    """Yield every text that Dagster has in its folder: files, and the rows of its databases, decompressed."""
    for path in folder.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"SQLite format 3"):
            with closing(sqlite3.connect(path)) as connection:
                for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
                    for row in connection.execute(f"select * from {table}"):  # a table of Dagster's
                        yield from (readable(value) for value in row)
        elif path.is_file():
            yield path.read_bytes().decode(errors="replace")


def readable(value: object) -> str:
    if isinstance(value, bytes):
        with suppress(zlib.error):
            value = zlib.decompress(value)
        return value.decode(errors="replace")
    return str(value)


def found(texts: list[str], secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if any(secret in text for text in texts)]


def secrets_of(key: str, registry: EmbeddedRegistry) -> dict[str, str]:
    """Return what must be nowhere: as it is, and as it goes over the wire."""
    tokens = [*registry._gate._tokens]  # those that it handed out
    assert tokens
    return {
        "the registry's password": PASSWORD,
        "the login": base64.b64encode(f"robot:{PASSWORD}".encode()).decode(),
        "the key": key,
        "the key's password": KEY_PASSWORD,
        "MLflow's token": MLFLOW_TOKEN,
        **{f"token {number} of the registry": token for number, token in enumerate(sorted(tokens))},
    }


def test_no_secret_is_in_anything_that_dagster_keeps(
    definitions, registry, instance, tmp_path, key, capfd, caplog, monkeypatch
):
    caplog.set_level("DEBUG")
    defs = definitions()
    everything = defs.resolve_implicit_global_asset_job_def()
    ran = []

    def start(job: dg.JobDefinition = everything, **options) -> bool:
        result = job.execute_in_process(instance=instance, raise_on_error=False, **options)
        ran.append(result.run_id)
        return result.success

    def decide(name: str, config) -> bool:
        return start(defs.resolve_job_def(name), run_config=dg.RunConfig(ops={f"{name}_op": config}))

    assert not start()  # nobody has approved
    assert start(asset_selection=[dg.AssetKey("seen")])
    said = {"stage": "production", "reason": "now"}
    approval = ApprovalConfig(
        stage="production",
        decision="APPROVED",
        approver="ada",
        role="risk",
        key="env://RELEASE_KEY",
        password_variable="RELEASE_KEY_PASSWORD",
    )
    assert decide("approve_modelkit", approval)
    assert decide("promote_modelkit", PromoteConfig(**said))  # MLflow does not answer: a warning
    assert not decide("rollback_modelkit", RollbackConfig(**said))
    sensor = defs.resolve_sensor_def("modelkit_tags_team_tiny")
    with dg.build_sensor_context(instance=instance, resources={"kitops": defs.resources["kitops"]}) as context:
        assert sensor.evaluate_tick(context).asset_events is not None
    (tmp_path / "context" / "model.bin").write_bytes(b"another one")
    registry.add_fault(Fault("POST", "/blobs/uploads/", status=500))
    assert not start(asset_selection=[dg.AssetKey("tiny")])
    registry.clear_faults()
    monkeypatch.setenv("RELEASE_KEY_PASSWORD", f"wrong-{KEY_PASSWORD}")
    assert not start(asset_selection=[dg.AssetKey("tiny")])
    monkeypatch.setenv("REGISTRY_PASSWORD", f"wrong-{PASSWORD}")
    assert not start(asset_selection=[dg.AssetKey("tiny")])
    assert not start(asset_selection=[dg.AssetKey("seen")])

    printed = capfd.readouterr()
    snapshot = serialize_value(RepositorySnap.from_def(defs.get_repository_def()))
    events = [
        entry.to_json() if hasattr(entry, "to_json") else str(entry) for run in ran for entry in instance.all_logs(run)
    ]
    texts = [*kept(tmp_path / "dagster"), printed.out, printed.err, caplog.text, snapshot, *map(str, events)]
    assert found(texts, {"the ModelKit": f"{registry.host}/team/tiny", "its approval": "env://RELEASE_KEY"})
    assert found(texts, secrets_of(key, registry)) == []


def test_the_hunt_finds_what_is_there(definitions, registry, instance, tmp_path, key):
    """A literal in the definitions is what the documentation warns of: Dagster shows it to everybody."""
    defs = definitions("pa55-as-a-literal")
    job = defs.resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=[dg.AssetKey("tiny")])
    texts = [*kept(tmp_path / "dagster"), serialize_value(RepositorySnap.from_def(defs.get_repository_def()))]
    assert found(texts, {"a literal": "pa55-as-a-literal"}) == ["a literal"]
