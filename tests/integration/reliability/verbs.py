"""The verbs that move or write, each on a repository of its own, and what a repository holds afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import DeploymentTarget, Metric, RunContext, TestResult
from kitops_orchestration.modelkit import GateRules
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.referrers import LEGACY_SUFFIXES, fallback_tag
from kitops_orchestration.oci.resolve import resolve_or_none, tags_if_there
from kitops_orchestration.promotion.retention.retain import RetentionRule
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.evidence import read_evidence
from kitops_orchestration.signing.keys import KeyPair, generate_key_pair
from kitops_orchestration.signing.trust import TrustPolicy

KITFILE = "manifestVersion: 1.0.0\npackage: {name: iris, version: 1.0.0}\nmodel: {name: iris, path: model.bin}\n"
POLICY = "version: 1\nstages:\n  production:\n    checks:\n      - metric: {name: accuracy, min: '0.5'}\n"
STAMP = "2026-01-01T00:00:00Z"
RUN = RunContext("airflow", job="deploy", run_id="1")
"""Of a run, so that a second call is the same act: without one, each call is an act of its own."""
GATE = GateRules(on_content="warn")
_DIGESTS = re.compile(r"sha256:[0-9a-f]{64}")
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


@dataclass
class Place:
    """One repository, a folder with contexts, and a key."""

    name: str
    folder: Path
    keys: KeyPair

    @property
    def signer(self) -> Any:
        return self.keys.signer

    @property
    def trust(self) -> TrustPolicy:
        return TrustPolicy.for_key(self.keys.public_key)

    @property
    def policy(self) -> PromotionPolicy:
        return PromotionPolicy.parse(POLICY)


def contexts(folder: Path) -> None:
    """Make the folders that are packed."""
    for number in (1, 2, 3):
        context = folder / f"kit{number}"
        context.mkdir(parents=True)
        (context / "Kitfile").write_text(KITFILE)
        (context / "model.bin").write_bytes(bytes([number]) * 5000)


def client_of(host: str) -> KitClient:
    """Return a client that gives up soon."""
    limits = Limits(retries=2, retry_budget_seconds=5, silence_timeout_seconds=1.0, connect_timeout_seconds=5)
    return KitClient(host, credentials=StaticCredentials({}), limits=limits)


def new_keys() -> KeyPair:
    """Return a key pair that is written without a password."""
    return generate_key_pair(key_format="pkcs8")


def _pack(client: KitClient, place: Place, number: int = 1) -> Any:
    return client.pack(place.folder / f"kit{number}", f"{place.name}:v{number}", gate_rules=GATE)


def _passed(client: KitClient, place: Place, number: int = 1) -> Any:
    said = TestResult("PASSED", metrics=(Metric("accuracy", "0.9"),), created_on=STAMP)
    return client.attach(f"{place.name}:v{number}", said, signer=place.signer)


def _promote(client: KitClient, place: Place, number: int = 1) -> Any:
    told = {"policy": place.policy, "trust": place.trust, "signer": place.signer}
    return client.promote(f"{place.name}:v{number}", stage="production", **told)


def _two(client: KitClient, place: Place) -> None:
    for number in (1, 2):
        _pack(client, place, number)
        _passed(client, place, number)


def _in_production(client: KitClient, place: Place) -> None:
    _two(client, place)
    _promote(client, place, 1)


def _three_in_production(client: KitClient, place: Place) -> None:
    """One after the other, so that a step too far would be seen."""
    _in_production(client, place)
    _promote(client, place, 2)
    _pack(client, place, 3)
    _passed(client, place, 3)
    _promote(client, place, 3)


def _roll_back(client: KitClient, place: Place, to: str = "v1") -> Any:
    told = {"policy": place.policy, "trust": place.trust, "signer": place.signer, "run_context": RUN}
    return client.rollback(place.name, stage="production", reason="bad", to=to, **told)


Step = Callable[[KitClient, Place], Any]


@dataclass(frozen=True)
class Verb:
    """What is there before, and what is done."""

    prepare: Step
    call: Step
    repositories: tuple[str, ...] = ("",)
    """Ends of the names of the repositories that are looked at afterwards."""
    layouts: tuple[str, ...] = ()
    """Repositories in the place's folder ``layout`` that are looked at as well."""
    folders: tuple[str, ...] = ()
    """Folders in the place, of which every file is looked at."""
    only_takes_away: bool = False
    """Whoever is told falsely that something is not there may leave it to the next run."""


def _in_layout(place: Place) -> str:
    return f"file://{place.folder}/layout/iris:v1"


def _nothing(client: KitClient, place: Place) -> None:
    """An empty registry."""


VERBS: dict[str, Verb] = {
    "pack": Verb(_nothing, _pack),
    "pack again": Verb(_two, lambda c, p: c.pack(p.folder / "kit2", f"{p.name}:v1", gate_rules=GATE)),
    "push": Verb(
        lambda c, p: KitClient().pack(p.folder / "kit1", f"file://{p.folder}/layout/iris:v1", gate_rules=GATE),
        lambda c, p: c.push(f"file://{p.folder}/layout/iris:v1", f"{p.name}:v1"),
    ),
    "pull": Verb(
        _two,
        lambda c, p: c.pull(f"{p.name}:v1", f"file://{p.folder}/layout/iris:v1", referrers=True),
        layouts=("iris",),
    ),
    "unpack": Verb(_two, lambda c, p: c.unpack(f"{p.name}:v1", p.folder / "out", exists="overwrite"), folders=("out",)),
    "copy": Verb(_two, lambda c, p: c.copy(f"{p.name}:v1", f"{p.name}-copy:v1", referrers=True), ("", "-copy")),
    "tag": Verb(_two, lambda c, p: c.tag(f"{p.name}:v1", "stable")),
    "sign": Verb(_pack, lambda c, p: c.sign(f"{p.name}:v1", p.signer)),
    "attest": Verb(
        _two, lambda c, p: c.attest(f"{p.name}:v1", "https://a.example/report/v1", {"found": 0}, signer=p.signer)
    ),
    "approve": Verb(
        _two,
        lambda c, p: c.approve(f"{p.name}:v1", stage="production", policy=p.policy, signer=p.signer, decided_on=STAMP),
    ),
    "promote": Verb(_two, _promote),
    "promote the next": Verb(_in_production, lambda c, p: _promote(c, p, 2)),
    "rollback": Verb(lambda c, p: (_in_production(c, p), _promote(c, p, 2)), _roll_back),
    "rollback to the previous": Verb(_three_in_production, lambda c, p: _roll_back(c, p, "previous")),
    "freeze": Verb(
        _in_production,
        lambda c, p: c.freeze(p.name, stage="production", reason="audit", policy=p.policy, signer=p.signer),
    ),
    # In a folder, and so without a request: this registry takes manifests away and no tags.
    "remove": Verb(
        lambda c, p: [
            c.pack(p.folder / f"kit{n}", f"file://{p.folder}/layout/iris:v{n}", gate_rules=GATE) for n in (1, 2)
        ],
        # A second call may find that it is gone, which is what was wanted and an error of its own.
        lambda c, p: c.remove(_in_layout(p)) if "v1" in c.tags(_in_layout(p)) else None,
        repositories=(),
        layouts=("iris",),
    ),
    "retain": Verb(
        _two, lambda c, p: c.retain(p.name, RetentionRule("v*", keep_last=1), trust=p.trust), only_takes_away=True
    ),
    "checkpoint": Verb(
        _in_production, lambda c, p: c.checkpoint(p.name, signer=p.signer, trust=p.trust, policy=p.policy)
    ),
    "record deployment": Verb(
        _in_production,
        lambda c, p: c.record_deployment(
            f"{p.name}:v1", "live", DeploymentTarget("vm", "a"), signer=p.signer, run_context=RUN
        ),
    ),
}


def state(client: KitClient, place: Place, verb: Verb) -> str:
    """Return all that the repositories hold, as text that is the same for the same acts.

    Tags with what they point at, every blob of it asked for; and each statement on every digest with its words, its
    form and whether its signature counts.  Times, names of repositories and digests of statements differ between two
    runs of the same acts, and are left out.
    """
    found = {end: _state(client, place, f"{place.name}{end}") for end in verb.repositories}
    for name in verb.layouts:
        found[f"layout {name}"] = _state(KitClient(f"file://{place.folder}/layout"), place, name)
    for name in verb.folders:
        files = sorted(path for path in (place.folder / name).rglob("*") if path.is_file())
        found[f"folder {name}"] = {str(path.relative_to(place.folder)): path.read_bytes().hex()[:40] for path in files}
    return json.dumps(found, indent=1, sort_keys=True).replace(place.name, "REPOSITORY")


def _state(client: KitClient, place: Place, name: str) -> Any:
    repository = client.repository(name)
    tags = tags_if_there(repository)
    kept = {tag: repository.resolve(tag).digest for tag in tags}
    known = {*map(str, kept.values()), str(place.policy.digest), str(place.trust.digest)}
    said = {}
    for digest in sorted(set(kept.values())):
        node = repository.fetch_manifest(digest)
        assert isinstance(node, Manifest)
        assert all(repository.has_blob(blob) for blob in node.blobs), f"{name} has a tag without its content"
        statements = []
        for item in read_evidence(repository, digest, trust=place.trust):
            words = None if item.statement is None else _words(item.statement.predicate, known)
            statements.append([item.predicate_type, item.form, item.is_verified, words])
        older = [suffix for suffix in LEGACY_SUFFIXES if resolve_or_none(repository, fallback_tag(digest) + suffix)]
        said[digest] = [sorted(statements, key=json.dumps), older]
    return {"tags": kept, "said": said}


def _words(value: Any, known: Collection[str]) -> Any:
    """Return a statement's words without times, ports, and the digests of other statements."""
    text = json.dumps(value, sort_keys=True, default=dict)
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", _TIMES.sub("TIME", text))
    return _DIGESTS.sub(lambda found: found[0] if found[0] in known else "EVENT", text)
