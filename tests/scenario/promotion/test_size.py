"""A thousand versions with evidence: what a verdict costs does not grow with them, and neither does what is signed."""

from __future__ import annotations

import io
import time

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import Metric, TestResult, statement_about
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.promotion.checkpoint.held import checkpoint_tag
from kitops_orchestration.promotion.checkpoint.leaves import Leaves
from kitops_orchestration.signing.bundle import BUNDLE, sign_statement
from tests.unit.kitops_orchestration.promotion.checkpoint.conftest import policy_of

MANY = 1_000
CHECKS = (
    {"metric": {"name": "accuracy", "min": "0.5", "attested": True}},
    {"notWorseThan": {"stage": "production", "metric": "accuracy"}},
    {"approvals": {"roles": ["risk"]}},
)


@pytest.fixture
def crowded(watched, embedded_registry):
    """A registry into which versions are put without a request for each."""
    watched.team.client = KitClient(embedded_registry.host)
    watched.policy = policy_of(*CHECKS)
    watched.server = embedded_registry
    return watched


def fill(watched, kit, first: int, last: int) -> None:
    """Put versions there, each with two signed statements: the kit's manifest under another digest."""
    storage, node = watched.server.storage, watched.raw().fetch_manifest(kit.digest)
    for number in range(first, last):
        version = Manifest.build(
            config=node.config, layers=node.layers, annotations={**node.annotations, "number": str(number)}
        )
        storage.put_manifest("staging/iris", version, f"3.0.{number}")
        for by in ("eve", "bob"):
            said = TestResult("PASSED", metrics=(Metric("accuracy", "0.9"),), created_on="2026-01-01T00:00:00Z")
            content = sign_statement(statement_about(version.digest, said), watched.team.signer(by))
            layer = Descriptor(BUNDLE, Digest.of(content), len(content))
            storage.put_blob("staging/iris", layer.digest, io.BytesIO(content))
            empty = Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2)
            evidence = Manifest.build(config=empty, layers=[layer], artifact_type=BUNDLE, subject=version.descriptor)
            storage.put_manifest("staging/iris", evidence, None)


def go(watched, kit):
    watched.client.approve(kit.reference, stage="production", policy=watched.policy, signer=watched.team.signer("ann"))
    return watched.promote(kit)


def counts(watched, kit) -> dict[str, int]:
    """Requests of each verb about one version, with nothing in the cache but what every one of them reads."""
    watched.client.approve(kit.reference, stage="production", policy=watched.policy, signer=watched.team.signer("ann"))
    verbs = {
        "plan": lambda: watched.plan(kit),
        "promote": lambda: watched.promote(kit),
        "status": lambda: watched.client.status(watched.repository, policy=watched.policy, trust=watched.trust),
        "gate": watched.strict,
    }
    found = {}
    for name, verb in verbs.items():
        before = len(watched.server.requests)
        answer = verb()
        found[name] = len(watched.server.requests) - before
        if name == "plan":
            assert answer.is_ready
        if name == "gate":
            assert answer.answer == "yes"
    return found


def test_a_verdict_costs_no_more_requests_among_a_thousand_versions(crowded):
    """1,000 versions with evidence, and a checkpoint that lists all of it."""
    kits = [crowded.team.pack(f"1.0.{number}", f"c{number}") for number in range(5)]
    for kit in kits:
        crowded.team.test_result(kit, accuracy="0.9")
    crowded.witness()
    go(crowded, kits[0])
    found, sizes = [], []
    for number, (first, last) in enumerate(((0, 20), (20, 600), (600, MANY))):
        fill(crowded, kits[0], first, last)
        begun = time.monotonic()
        made = crowded.witness()
        sizes.append((made.statement.digests, made.statement.evidence, time.monotonic() - begun))
        found.append(counts(crowded, kits[2 + number]))

    assert sizes[2][0] >= MANY
    assert sizes[2][1] >= 2 * MANY
    assert found[1] == found[2]
    assert all(found[0].values())
    # From one shard to several: of the version, of what production had and has, of its anchor; and since the second
    # round there is a version that was replaced, which is looked at as well.  Never more.
    more = {verb: found[1][verb] - found[0][verb] for verb in found[0]}
    # A promotion asks for the list of the version that was replaced once more, after its copy.
    assert all(count <= (7 if verb == "promote" else 6) for verb, count in more.items()), more


@pytest.mark.parametrize(("versions", "most_shards"), [(400, 1), (1_000, 16), (10_000, 256)])
def test_what_is_signed_stays_small_and_so_does_what_is_fetched(watched, versions, most_shards):
    digests = {
        str(Digest.of(str(number).encode())): tuple(str(Digest.of(f"{number}-{item}".encode())) for item in range(5))
        for number in range(versions)
    }
    begun = time.monotonic()
    shards = Leaves(digests).shards()
    spent = time.monotonic() - begun

    assert len(shards) <= most_shards
    assert max(map(len, shards.values())) < 256 * 1024, "every shard is kept in the cache of evidence"
    assert spent < 5
    again = Leaves.of_shards(Leaves.parse(content, prefix) for prefix, content in shards.items())
    assert again == Leaves(digests)
    assert Leaves(dict(reversed(digests.items()))).shards() == shards, "equal leaves have equal bytes"


def test_the_statement_has_one_size_whatever_it_lists(crowded):
    kit = crowded.team.pack()
    sizes = []
    for last in (1, 30):
        fill(crowded, kit, 0, last)
        made = crowded.witness()
        node = crowded.raw().fetch_manifest(made.reference.digest)
        sizes.append(node.layers[0].size)
    assert abs(sizes[1] - sizes[0]) < 200  # the first one follows none
    assert made.reference.tag == checkpoint_tag(crowded.team.keys["wes"].public_key)
