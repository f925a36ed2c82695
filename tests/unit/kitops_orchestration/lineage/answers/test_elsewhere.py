"""Stages that are repositories of their own: every answer is the same, from whichever of them it is asked."""

from __future__ import annotations

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import RegistryUnavailableError
from kitops_orchestration.lineage.answers import elsewhere as module
from kitops_orchestration.lineage.answers.deployment import record_deployment, where_deployed
from kitops_orchestration.lineage.answers.elsewhere import Elsewhere
from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.answers.sign_offs import sign_offs
from kitops_orchestration.lineage.statements import Approval, DeploymentTarget, Promotion
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.signing.trust import TrustPolicy

PLACE = DeploymentTarget("kserve", "wine", cluster="eu-1")
ROAD = ("dev", "staging", "production")


@pytest.fixture
def client(tmp_path, ada) -> KitClient:
    return KitClient(folder_registry(tmp_path), signer=ada, trust=TrustPolicy.for_key(ada.public_key))


@pytest.fixture
def digest(client, tmp_path) -> str:
    """Packed in dev, approved in staging, deployed from production: the road of the README."""
    folder = tmp_path / "wine"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "Kitfile").write_text('manifestVersion: "1.0.0"\nmodel: {name: wine, path: model.bin}\n')
    packed = client.pack(folder, "dev/wine:1.0.0")
    staged = client.promote(packed.reference, stage="staging", destination="staging/wine")
    client.attach(staged.reference, Approval("APPROVED", environment="production"))
    released = client.promote(staged.reference, stage="production", destination="production/wine")
    client.record_deployment(released.reference, "production", PLACE)
    return str(packed.digest)


def name(client: KitClient, stage: str) -> str:
    return f"{client.registry}/{stage}/wine"


@pytest.mark.parametrize("stage", ROAD)
def test_a_digest_is_signed_off_wherever_it_is_asked(client, digest, stage) -> None:
    found = client.sign_offs(f"{stage}/wine@{digest}")

    assert found.is_approved("production")
    assert {item.repository for item in found.followed.places} == {
        name(client, other) for other in ROAD if other != stage
    }


@pytest.mark.parametrize("stage", ROAD)
def test_where_it_runs_is_known_in_every_repository(client, digest, stage) -> None:
    found = client.where_deployed(f"{stage}/wine")

    [running] = found.running
    assert (running.environment, running.reference.target) == ("production", digest)
    assert running.reference.name == name(client, "production")
    if stage == "dev":
        assert name(client, "production") in found.to_markdown()
        assert {item.repository: item.stages for item in found.followed.places} == {
            name(client, "staging"): ("staging",),
            name(client, "production"): ("production",),
        }


@pytest.mark.parametrize("stage", ROAD)
def test_lineage_and_timeline_tell_the_whole_road(client, digest, stage) -> None:
    story = client.lineage(f"{stage}/wine@{digest}")
    events = client.timeline(f"{stage}/wine").events

    assert {item.predicate.to_stage for item in story.promotions} == {"staging", "production"}
    assert len(story.approvals) == len(story.deployments) == 1
    kinds = sorted(item.kind for item in events)
    assert kinds == ["approval", "deployment", "promotion", "promotion", "version"]


def test_what_was_found_in_another_repository_says_in_which(client, digest) -> None:
    found = client.lineage(f"dev/wine@{digest}")

    [deployment] = found.deployments
    assert deployment.evidence.found_in == name(client, "production")
    assert found.to_json()["deployments"][0]["evidence"]["foundIn"] == name(client, "production")
    assert f"production: eu-1/wine, in `{name(client, 'production')}`" in found.to_markdown()
    assert [item.evidence.found_in for item in client.lineage(f"production/wine@{digest}").deployments] == [None]


@pytest.mark.parametrize("stage", ROAD)
def test_the_passport_denies_neither_sign_off_nor_service(client, digest, stage) -> None:
    page = client.passport(f"{stage}/wine@{digest}")

    assert page.sign_offs.is_approved("production")
    assert [item.environment for item in page.running] == ["production"]
    text = page.to_markdown()
    assert "Nowhere" not in text
    assert "nobody decided about this version" not in text


def test_the_overview_of_dev_shows_what_the_other_stages_have(client, digest) -> None:
    found = client.overview("dev/wine")

    assert {item.stage: item.current for item in found.stages} == {"staging": digest, "production": digest}
    assert [item.environment for item in found.deployments.running] == ["production"]


def test_a_rejection_made_after_the_promotion_binds_in_dev_too(client, digest) -> None:
    client.attach(f"production/wine@{digest}", Approval("REJECTED", environment="production"))

    assert client.sign_offs(f"dev/wine@{digest}").rejections("production")


def test_promotions_in_a_circle_end(client, digest) -> None:
    client.promote(f"production/wine@{digest}", stage="dev", destination="dev/wine")

    assert len(client.lineage(f"dev/wine@{digest}").promotions) == 3


def test_another_model_in_a_shared_production_is_not_a_version_of_this_one(client, digest, tmp_path) -> None:
    (tmp_path / "wine" / "model.bin").write_bytes(b"other weights")
    other = client.pack(tmp_path / "wine", "lab/wine:2.0.0")
    there = client.promote(other.reference, stage="production", destination="production/wine")
    client.record_deployment(there.reference, "production", DeploymentTarget("kserve", "lab"))

    assert {item.reference.target for item in client.where_deployed("dev/wine").running} == {digest}


@pytest.fixture
def home(repository, put, ada) -> tuple:
    """A version in a registry of its own, and a function that says where it was promoted to."""
    digest = str(put(repository, "v1").digest)

    def promoted_to(there: str, stage: str = "staging", signer=ada) -> None:
        here = str(repository.reference.with_digest(digest))
        attach(repository, digest, Promotion(here, there, digest, stage), signer=signer)

    return repository, digest, promoted_to


def reaching(*places: LayoutRepository) -> Elsewhere:
    by_name = {place.reference.name: place for place in places}
    return Elsewhere(lambda end: by_name[end.name], lambda end: by_name.get(end.name))


def test_without_a_way_elsewhere_nothing_is_followed(home, trust) -> None:
    repository, digest, promoted_to = home
    promoted_to("registry.example/staging/iris:staging")

    found = lineage(repository, digest, trust=trust)

    assert (found.followed.places, found.followed.gaps) == ((), ())


def test_a_registry_that_may_not_be_asked_is_told_and_not_asked(home, trust) -> None:
    repository, digest, promoted_to = home
    promoted_to("registry.example/staging/iris:staging")

    found = lineage(repository, digest, trust=trust, elsewhere=reaching())

    [gap] = found.followed.gaps
    assert gap.startswith("registry.example/staging/iris")
    assert "no credentials" in gap
    assert gap in found.to_markdown()


def test_a_promotion_that_nobody_trusted_signed_leads_to_no_other_registry(home, trust, mallory) -> None:
    repository, digest, promoted_to = home
    promoted_to("evil.example/staging/iris:staging", signer=mallory)
    asked: list[Reference] = []

    found = lineage(repository, digest, trust=trust, elsewhere=Elsewhere(asked.append, asked.append))

    assert asked == []
    assert "the promotion does not count" in found.followed.gaps[0]


def test_another_end_that_does_not_answer_is_told_once_and_stops_nothing(home, trust) -> None:
    repository, digest, promoted_to = home
    promoted_to("registry.example/staging/iris:staging")
    promoted_to("registry.example/production/iris:production", "production")
    asked: list[str] = []

    class Silent:
        def __init__(self, end: Reference) -> None:
            self.reference = end

        def referrers(self, _digest: str):
            asked.append(self.reference.name)
            raise RegistryUnavailableError("registry.example does not answer")

        def tags(self):
            raise RegistryUnavailableError("registry.example does not answer")

    way = Elsewhere(Silent, Silent)
    found = lineage(repository, digest, trust=trust, elsewhere=way)

    assert len(asked) == 1
    assert "did not answer" in found.followed.gaps[0]
    assert where_deployed(repository, trust=trust, elsewhere=way).followed.gaps
    assert sign_offs(repository, digest, trust=trust, elsewhere=way).decisions == ()


def test_the_number_of_repositories_that_statements_can_make_it_open_is_bounded(home, trust) -> None:
    repository, digest, promoted_to = home
    for number in range(module.MAX_PLACES + 4):
        promoted_to(f"{repository.reference.registry}/stage-{number}/iris:v1", f"stage-{number}")

    found = lineage(repository, digest, trust=trust, elsewhere=Elsewhere(LayoutRepository, LayoutRepository))

    assert len(found.followed.places) == module.MAX_PLACES
    assert len(found.followed.gaps) == 4
    assert "more than" in found.followed.gaps[0]


def test_a_text_that_names_no_repository_is_told(home, trust) -> None:
    repository, digest, promoted_to = home
    promoted_to("Not A Reference")

    assert "no repository" in lineage(repository, digest, trust=trust, elsewhere=reaching()).followed.gaps[0]


def test_requests_for_where_it_runs_do_not_grow_beyond_the_newest_versions(repository, put, ada, trust) -> None:
    for number in range(60):
        put(repository, f"v{number}", b"%d" % number)
    record_deployment(repository, "v3", "production", PLACE, signer=ada)
    repository.calls.clear()

    found = where_deployed(repository, trust=trust, elsewhere=reaching())

    assert sum(repository.calls.values()) <= 5 + 2 * 33
    assert "newest 32 of 60" in found.followed.gaps[0]


def test_a_client_asks_another_registry_only_with_credentials_for_it() -> None:
    from kitops_orchestration.oci import Credential
    from kitops_orchestration.oci.auth.credentials import StaticCredentials

    known = StaticCredentials({"prod.example": Credential("ada", "secret")})
    client = KitClient("dev.example", credentials=known)
    ways = client._elsewhere()

    assert ways.reach(Reference.parse("prod.example/team/wine")) is not None
    assert ways.reach(Reference.parse("dev.example/team/wine")) is not None
    assert ways.reach(Reference.parse("evil.example/team/wine")) is None
    assert ways.reach(Reference.parse("file:///etc/wine")) is None
