"""Every verb of the client reaches the registry with what the client was given, and with nothing else."""

from __future__ import annotations

import inspect
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.client import KitClient, verbs_of
from kitops_orchestration.deploy.entrypoint import InitRequest
from kitops_orchestration.errors import KitOpsError, ModelKitError, NotFoundError, RunExportError
from kitops_orchestration.lineage.statements import DeploymentTarget, TestResult
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.registry import session as sessions
from kitops_orchestration.promotion.retention.retain import RetentionRule
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.signing.trust import TrustPolicy
from kitops_orchestration.testing.registry import EmbeddedRegistry

from .conftest import HOST, OTHER, Way

pytest.importorskip("cryptography")
KITFILE = "manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {name: iris, path: weights.bin}\n"
CHILD = f"manifestVersion: 1.0.0\npackage: {{name: tuned}}\nmodel: {{name: iris, path: {OTHER}/team/base:v1}}\n"
POLICY = "version: 1\nstages:\n  staging:\n    checks: []\n"
SIGNER = generate_key_pair(key_format="pkcs8").signer
HERE = ("init", "keygen", "logout", "public_key")
"""Verbs that ask no registry."""


class Place:
    """What the verbs work on: a ModelKit, one whose model is another's in a second registry, and a folder."""

    def __init__(self, client: KitClient, registry: EmbeddedRegistry, folder: Path) -> None:
        password = Credential(registry.username, registry.password)
        direct = KitClient(registry.host, namespace="team", credentials=StaticCredentials({registry.host: password}))
        self.folder = folder
        self.kit, self.child = folder / "kit", folder / "child"
        for path, kitfile in ((self.kit, KITFILE), (self.child, CHILD)):
            path.mkdir()
            (path / "Kitfile").write_text(kitfile)
            (path / "weights.bin").write_bytes(b"weights" * 100)
        (folder / "policy.yaml").write_text(POLICY)
        self.policy = PromotionPolicy.load(folder / "policy.yaml")
        self.layout = f"file://{folder}/models"
        # The embedded registry is both: what is put there by the shortest way is behind both names.
        direct.pack(self.kit, "base:v1")
        direct.pack(self.kit, "iris:v1")
        direct.promote("iris:v1", stage="production")
        direct.pack(self.kit, "iris:v2", annotations={"n": "2"})
        direct.promote("iris:v2", stage="production")
        client.pack(self.child, "tuned:v1")


Call = Callable[[KitClient, Place], Any]


def fails(kind: type[KitOpsError], match: str, call: Call) -> Call:
    """A verb that ends with an error which is not about the way to the registry."""

    def ran(client: KitClient, place: Place) -> None:
        with pytest.raises(kind, match=match):
            call(client, place)

    return ran


def load(client: KitClient, place: Place) -> None:
    client.save(["iris:v1"], place.folder / "iris.tar")
    client.load(place.folder / "iris.tar", into="loaded/{name}")


CALLS: dict[str, Call] = {
    "approve": lambda c, p: c.approve("iris:v1", stage="staging", policy=p.policy, signer=SIGNER),
    "attach": lambda c, p: c.attach("iris:v1", TestResult("PASSED", passed_tests=("t",)), signer=SIGNER),
    "attest": lambda c, p: c.attest("iris:v1", "https://a.example/report/v1", {"found": 0}),
    "attest_scan": lambda c, p: c.attest_scan("iris:v1", signer=SIGNER),
    "check": lambda c, p: c.check(),
    "checkpoint": lambda c, p: c.checkpoint("iris", signer=SIGNER, trust=TrustPolicy.for_key(SIGNER.public_key)),
    "check_signatures": lambda c, p: c.check_signatures("iris:v1", key=SIGNER.public_key),
    "choose": lambda c, p: c.choose("iris:v1"),
    "copy": lambda c, p: c.copy("iris:v1", f"{OTHER}/team/copy:v1", referrers=True),
    "deploy": lambda c, p: c.deploy("iris:v1", "kubernetes"),
    "diff": lambda c, p: c.diff("iris:v1", "iris:v2"),
    "doctor": lambda c, p: [found.verdict == "ok" or pytest.fail(found.found) for found in c.doctor(HOST)[:1]],
    "export_run": lambda c, p: export_existing(c, p),
    "follow_alias": lambda c, p: c.follow_alias(
        c.promote("iris:v1", stage="third"), registered_model="iris", warn=lambda text: None, tracking_uri=store(p)
    ),
    "freeze": lambda c, p: c.freeze("iris", stage="production", reason="audit"),
    "history": lambda c, p: c.history("iris", stage="production"),
    "import_": lambda c, p: c.import_(git_repository(p), "imported:v1", tool="git"),
    "import_model": lambda c, p: c.import_model("iris:v1", registered_model="iris", tracking_uri=store(p)),
    "index": lambda c, p: c.index("iris:both", variants=[("v1", ["n=1"]), ("v2", ["n=2"])]),
    "info": lambda c, p: c.info("iris:v1"),
    "init": lambda c, p: c.init(p.kit),
    "init_container": lambda c, p: c.init_container(InitRequest(c.reference("tuned:v1"), p.folder / "init")),
    "catalog": lambda c, p: c.catalog("iris", policy=p.policy, into=p.folder / "site"),
    "inspect": lambda c, p: c.inspect("iris:v1"),
    "keygen": lambda c, p: c.keygen("secret"),
    "lineage": lambda c, p: c.lineage("iris:v1"),
    "list": lambda c, p: c.list("iris"),
    "load": load,
    "login": lambda c, p: c.login(HOST, "tester", "embedded-password"),
    "logout": lambda c, p: c.logout(HOST),
    "overview": lambda c, p: c.overview("iris"),
    "public_key": lambda c, p: c.public_key(SIGNER),
    "review": lambda c, p: c.review(c.plan("iris:v1", stage="production", policy=None)),
    "pack": lambda c, p: c.pack(p.child, "tuned:v2"),
    "passport": lambda c, p: c.passport("iris:v1"),
    "plan": lambda c, p: c.plan("iris:v1", stage="staging", policy=p.policy),
    "probe": lambda c, p: c.probe("iris"),
    "promote": lambda c, p: c.promote("iris:v1", stage="staging", policy=p.policy, destination="staged/iris"),
    "prune": fails(KitOpsError, "no folder", lambda c, p: (c.check(), c.prune("iris"))),
    "publish": lambda c, p: c.publish(p.child, "tuned:v3", signer=SIGNER, sign=True),
    "pull": lambda c, p: c.pull("tuned:v1", f"{p.layout}/tuned:v1"),
    "push": lambda c, p: (c.pack(p.kit, f"{p.layout}/iris:v1"), c.push(f"{p.layout}/iris:v1", "pushed:v1")),
    "record_deployment": lambda c, p: c.record_deployment("iris:v1", "live", DeploymentTarget("vm", "iris")),
    "reject": lambda c, p: c.reject("iris:v1", stage="staging", policy=p.policy, signer=SIGNER),
    "remove": lambda c, p: c.remove("iris:v1"),
    "render_image": lambda c, p: c.render_image("iris:v1", tag="image"),
    "repositories": lambda c, p: KitClient.repositories(whole(c), HOST),
    "resolve": lambda c, p: c.resolve("iris:v1"),
    "retain": lambda c, p: c.retain("iris", RetentionRule("v*", keep_last=1), dry_run=True),
    "revoke": lambda c, p: (
        c.approve("iris:v1", stage="staging", policy=p.policy, signer=SIGNER),
        c.revoke("iris:v1", stage="staging", policy=p.policy, signer=SIGNER),
    ),
    "rollback": lambda c, p: (
        c.promote("iris:v1", stage="live"),
        c.promote("iris:v2", stage="live"),
        c.rollback("iris", stage="live", reason="bad"),
    ),
    "save": lambda c, p: c.save(["iris:v1"], p.folder / "iris.tar"),
    "scan": lambda c, p: c.scan("iris:v1"),
    "serve": fails(KitOpsError, "no server|MLmodel|model", lambda c, p: c.serve("tuned:v1")),
    "sign": lambda c, p: c.sign("iris:v1", SIGNER),
    "sign_offs": lambda c, p: c.sign_offs("iris:v1"),
    "smoke_test": fails(ModelKitError, "MLmodel", lambda c, p: c.smoke_test("tuned:v1")),
    "stage_verdict": lambda c, p: c.stage_verdict(
        "iris", stage="staging", policy=p.policy, trust=TrustPolicy.for_key(SIGNER.public_key)
    ),
    "status": lambda c, p: c.status("iris", policy=p.policy),
    "sync_alias": fails(
        RunExportError,
        "i",
        lambda c, p: c.sync_alias("iris:v1", stage="s", registered_model="i", tracking_uri=store(p)),
    ),
    "tag": lambda c, p: c.tag("iris:v1", "again"),
    "tags": lambda c, p: c.tags("iris"),
    "timeline": lambda c, p: c.timeline("iris"),
    "training_data": lambda c, p: c.training_data("iris:v1"),
    "unpack": lambda c, p: c.unpack("tuned:v1", p.folder / "out"),
    "validate": lambda c, p: c.validate("tuned:v1"),
    "overrule": lambda c, p: c.overrule("iris:v1", stage="staging", policy=p.policy, signer=SIGNER, comment="no"),
    "verify": lambda c, p: (c.sign("iris:v1", SIGNER), c.verify("iris:v1", key=SIGNER.public_key)),
    "where_deployed": lambda c, p: c.where_deployed("iris"),
}
TO_BOTH = ("pack", "publish", "pull", "unpack", "init_container", "serve", "smoke_test", "copy")
"""Verbs that were sent to the second registry too, by the Kitfile or by their destination."""


_store: list[Path] = []
"""A migrated database: making one takes seconds, copying it none."""


@pytest.fixture(scope="module", autouse=True)
def template_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    mlflow = pytest.importorskip("mlflow")
    _store[:] = [tmp_path_factory.mktemp("mlflow") / "mlflow.db"]
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{_store[0]}").search_experiments()


def store(place: Place) -> str:
    path = place.folder / "mlflow.db"
    if not path.exists():
        shutil.copy(_store[0], path)
    return f"sqlite:///{path}"


def export_existing(client: KitClient, place: Place) -> None:
    """Export a registered version that is a ModelKit already: its source is opened like everything else."""
    client.import_model("iris:v1", registered_model="flowers", tracking_uri=store(place))
    found = client.export_run("models:/flowers/1", "exported:v1", tracking_uri=store(place))
    assert not found.is_exported
    assert found.digest == client.resolve("iris:v1").digest


def whole(client: KitClient) -> KitClient:
    """The same client without a registry of its own: then a bare host is a whole registry."""
    client.registry = None
    return client


def git_repository(place: Place) -> str:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for command in (
        ["init", "-q", "."],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *command], cwd=place.kit, check=True)
    return f"file://{place.kit}"


def test_no_verb_is_forgotten_here() -> None:
    assert set(CALLS) == set(verbs_of(KitClient))


def test_every_public_method_is_a_verb_or_about_the_client_itself() -> None:
    own = {
        "any_repository",
        "oras",
        "pulled_from",
        "reference",
        "repository",
        "required_signer",
        "stage_reference",
        "standing_in",
    }
    own |= {"reading_once", "whole_registry", "with_credentials", "with_limits"}
    methods = {name for name, _ in inspect.getmembers(KitClient, inspect.isfunction) if not name.startswith("_")}
    assert methods - set(verbs_of(KitClient)) == own


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_request_of_a_verb_carries_what_the_client_was_given(
    name: str, client: KitClient, way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    place = Place(client, way.registry, tmp_path)
    way.targets.clear()
    before = set(sessions._sessions)
    guarded = way.registry
    guarded.log.clear()

    CALLS[name](client, place)

    # Whatever goes another way than the client's proxy, authority and password does not arrive: no such host.
    records = guarded.log.all()
    assert (not records) == (name in HERE)
    assert all(record.headers.get("authorization") == "Basic" for record in records if record.status != 401)
    assert {record.headers["host"] for record in records} <= {HOST, OTHER}
    made = [session for key, session in list(sessions._sessions.items()) if key not in before]
    assert [session for session in made if session.limits != client.limits and name != "doctor"] == []
    if name in TO_BOTH:
        assert OTHER in {record.headers["host"] for record in records}


def test_without_what_the_client_was_given_nothing_arrives(
    client: KitClient, way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: a client without these has no way to the same registry."""
    Place(client, way.registry, tmp_path)
    with pytest.raises(KitOpsError):
        KitClient(HOST, namespace="team", limits=client.limits).tags("iris")
    with pytest.raises(NotFoundError):
        client.inspect(f"{OTHER}/team/nothing:v1")
