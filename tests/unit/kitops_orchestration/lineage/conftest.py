from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pytest

from kitops_orchestration.lineage.answers.deployment import record_deployment
from kitops_orchestration.lineage.statements import (
    Approval,
    DeploymentTarget,
    Metric,
    Promotion,
    RunContext,
    SourceRun,
    TestResult,
    base_model,
    git_source,
    provenance,
)
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.identities import Identity, Rule, TrustedKey
from kitops_orchestration.signing.keys import LocalSigner, generate_key_pair
from kitops_orchestration.signing.sign import sign
from kitops_orchestration.signing.signed_files import sign_files
from kitops_orchestration.signing.trust import TrustPolicy

LAYER = "application/vnd.kitops.modelkit.model.v1.tar"
CONFIG = "application/vnd.kitops.modelkit.config.v1+json"


class CountingRepository:
    """A repository that remembers what was asked of it: one call is one request to a registry."""

    def __init__(self, inner: Repository) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self.fetched: list[str] = []

    def __getattr__(self, name: str):
        found = getattr(self.inner, name)
        if name in {"resolve", "fetch_manifest", "fetch_blob", "referrers", "tags"}:
            self.calls[name] += 1
        return found

    def fetch_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BinaryIO:
        self.calls["fetch_blob"] += 1
        self.fetched.append(descriptor.media_type)
        return self.inner.fetch_blob(descriptor, offset=offset)


def put_modelkit(repository: LayoutRepository, tag: str, content: bytes = b"weights") -> Descriptor:
    """A manifest that looks like a ModelKit's: a config and one layer."""
    blobs = [(b'{"manifestVersion":"1.0.0"}', CONFIG), (content, LAYER)]
    config, layer = [Descriptor(kind, Digest.of(data), len(data)) for data, kind in blobs]
    for descriptor, (data, _) in zip((config, layer), blobs, strict=True):
        repository.push_blob(descriptor, BytesSource(data))
    manifest = Manifest.build(config=config, layers=[layer], annotations={media_types.ANNOTATION_TITLE: tag})
    return repository.push_manifest(manifest, tag=tag)


@pytest.fixture
def repository(tmp_path: Path) -> CountingRepository:
    return CountingRepository(LayoutRepository(Reference.parse(f"{folder_registry(tmp_path)}/team/iris")))


@pytest.fixture
def put():
    return put_modelkit


@pytest.fixture(scope="session")
def ada() -> LocalSigner:
    return generate_key_pair(key_format="pkcs8").signer


@pytest.fixture(scope="session")
def mallory() -> LocalSigner:
    return generate_key_pair(key_format="pkcs8").signer


@pytest.fixture
def trust(ada: LocalSigner) -> TrustPolicy:
    return TrustPolicy.for_key(ada.public_key)


PEOPLE = {
    "builder": ("ci@example.com", "Training pipeline", {"builder"}),
    "evaluator": ("eval@example.com", "Evaluation service", {"evaluator"}),
    "ada": ("ada@example.com", "Ada Lovelace", {"approver", "releaser"}),
    "ben": ("ben@example.com", "Ben Bitdiddle", {"approver"}),
    "deployer": ("cd@example.com", "Delivery pipeline", {"deployer"}),
}
ACCURACY = {1: "0.941", 2: "0.953", 3: "0.949", 4: "0.967"}
EU = DeploymentTarget("kserve", "churn", namespace="models", cluster="eu-1")
US = DeploymentTarget("kserve", "churn", namespace="models", cluster="us-1")


@dataclass(frozen=True)
class Story:
    """Four versions of a model and what happened to them, in a folder registry."""

    repository: CountingRepository
    base: LayoutRepository
    trust: TrustPolicy
    signers: dict[str, LocalSigner]
    digests: dict[str, str]

    def open_base(self, reference: Reference) -> LayoutRepository | None:
        return self.base if reference.name == self.base.reference.name else None


@pytest.fixture(scope="session")
def told(tmp_path_factory) -> Story:
    root = tmp_path_factory.mktemp("story")
    signers = {name: generate_key_pair(key_format="pkcs8").signer for name in PEOPLE}
    identities = [
        Identity(identity, (TrustedKey(signers[key].public_key),), frozenset(roles), name)
        for key, (identity, name, roles) in PEOPLE.items()
    ]
    trust = TrustPolicy(tuple(identities), {predicate_types.APPROVAL: Rule(frozenset({"approver"}), 2)})
    registry = folder_registry(root / "registry")
    base = LayoutRepository(Reference.parse(f"{registry}/base/encoder"))
    parent = _pack_version(root, base, "1.0", "", signers["builder"])
    repository = LayoutRepository(Reference.parse(f"{registry}/risk/churn"))
    based_on = f"{base.reference.name}@{parent.digest}"
    digests = {}
    for number in range(1, 5):
        packed = _pack_version(root, repository, f"{number}.0", based_on, signers["builder"], number)
        digests[f"{number}.0"] = str(packed.digest)
        _live_through(repository, packed, number, signers)
    return Story(CountingRepository(repository), base, trust, signers, digests)


def _pack_version(root: Path, repository, version: str, based_on: str, signer: LocalSigner, number: int = 0):
    context = root / f"{repository.reference.repository}-{version}".replace("/", "-")
    (context / "data").mkdir(parents=True)
    (context / "Kitfile").write_text(
        f"""manifestVersion: 1.0.0
package:
  name: {repository.reference.repository.rpartition("/")[2]}
  version: {version}
  description: Predicts which customers leave within a quarter.
  license: Apache-2.0
  authors: [Risk team]
model:
  name: churn
  path: model.bin
  framework: scikit-learn
  license: Apache-2.0
datasets:
  - name: customers
    path: data/train.csv
    license: internal
docs:
  - path: README.md
"""
    )
    (context / "model.bin").write_bytes(b"weights %d" % number * 500)
    # The third version was trained on the data of the second.
    (context / "data" / "train.csv").write_text(f"customer,leaves\n{2 if number == 3 else number},1\n" * 40)
    (context / "README.md").write_text("# Churn\n\nFor retention offers; not for decisions about credit.\n")
    packed = pack(context, repository, tag=version)
    run = SourceRun(
        "mlflow-run",
        f"mlflow://tracking.example.com/experiments/7/runs/{number:032x}",
        name=f"churn-{version}",
        parameters={"C": f"{number / 10}", "solver": "lbfgs"},
        metrics={"accuracy": ACCURACY.get(number, "0.9"), "roc_auc": f"{0.93 + number / 100:.3f}"},
        dependencies=(
            git_source("https://git.example.com/risk/churn.git", f"{number:040x}", branch="main", is_dirty=False),
            *([base_model(Reference.parse(based_on))] if based_on else []),
        ),
        finished_on=f"2026-0{number + 1}-01T08:30:00Z",
        user="ada",
        packages={"mlflow": "3.17.2", "scikit-learn": "1.7.2"},
    )
    context_of_run = RunContext(
        "airflow",
        "train_churn",
        "pack",
        f"scheduled__2026-0{number + 1}-01",
        1,
        "ada",
        started_on="2026-01-01T08:00:00Z",
    )
    attach(repository, packed.digest, provenance(packed, context_of_run, run), signer=signer)
    sign_files(repository, packed.digest, signer, directory=context)
    return packed


def _live_through(repository, packed, number: int, signers: dict[str, LocalSigner]) -> None:
    month, digest = number + 1, packed.digest
    good = float(ACCURACY[number]) >= 0.945
    metric = Metric("accuracy", ACCURACY[number], ">=", "0.945", good, "holdout-2026", "sha256:" + "5" * 64)
    result = TestResult("PASSED" if good else "FAILED", metrics=(metric,), created_on=f"2026-0{month}-01T09:00:00Z")
    attach(repository, digest, result, signer=signers["evaluator"])
    if not good:
        rejection = Approval(
            "REJECTED", "production", "risk", comment="accuracy too low", created_on=f"2026-0{month}-02T09:00:00Z"
        )
        attach(repository, digest, rejection, signer=signers["ben"])
        return
    sign(repository, digest, signers["ada"])
    for day, name in ((2, "ada"), (3, "ben")):
        approval = Approval("APPROVED", "production", "risk", created_on=f"2026-0{month}-0{day}T09:00:00Z")
        attach(repository, digest, approval, signer=signers[name])
    promotion = Promotion(
        str(packed.reference),
        str(repository.reference.with_tag("production")),
        str(digest),
        "production",
        f"2026-0{month}-03T10:00:00Z",
        from_stage="staging",
    )
    attach(repository, digest, promotion, signer=signers["ada"])
    for place in (EU,) if number == 3 else (EU, US):
        record_deployment(
            repository,
            digest,
            "production",
            place,
            signer=signers["deployer"],
            deployed_on=f"2026-0{month}-03T12:00:00Z",
            ref=str(packed.reference.with_tag(f"{number}.0")),
        )


@pytest.fixture
def own_story(told: Story, tmp_path: Path) -> Story:
    """The story in a registry of the test's own: here more may be said."""
    reference = told.repository.reference
    shutil.copytree(reference.registry.removeprefix("file://"), tmp_path / "registry")
    moved = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path / 'registry')}/{reference.repository}"))
    return replace(told, repository=CountingRepository(moved))


@pytest.fixture
def story(told: Story) -> Story:
    """The story, with nothing counted yet; read it and do not add to it."""
    told.repository.calls.clear()
    told.repository.fetched.clear()
    return told
