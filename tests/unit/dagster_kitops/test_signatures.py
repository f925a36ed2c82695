from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import (
    KitOpsResource,
    ModelKitIOManager,
    ModelKitSignerResource,
    TrustResource,
    build_modelkit_signature_checks,
    modelkit_asset,
)
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.signing.keys import generate_key_pair


@pytest.fixture
def keys(tmp_path):
    return generate_key_pair("secret", key_format="pkcs8").write(tmp_path / "release")


@pytest.fixture
def signing(kitops, keys):
    private_path, public_path = keys
    return KitOpsResource(
        registry=kitops.registry,
        signer=ModelKitSignerResource(private_key_path=str(private_path), password="secret"),
        trust=TrustResource(public_key_path=str(public_path)),
    )


def tiny(context_dir, **options):
    @modelkit_asset(repository="team/tiny", **options)
    def tiny():
        return context_dir

    return tiny


@dg.asset
def reader(tiny: Path):
    assert (tiny / "model.bin").is_file()


def results(run, context_dir, signing, *, sign):
    asset = tiny(context_dir, sign=sign)
    return run([asset, *build_modelkit_signature_checks(assets=[asset])], resources={"kitops": signing})


def test_a_signed_kit_passes_and_says_who_signed(run, signing, context_dir):
    result = results(run, context_dir, signing, sign=True)
    (found,) = result.get_asset_check_evaluations()
    assert found.passed
    (event,) = result.asset_materializations_for_node("tiny")
    assert event.metadata["kitops/signed"].value is True
    made = event.metadata["kitops/signature"].value
    again = signing.get_client().sign(event.metadata["kitops/reference"].value).to_json()
    assert made["key"] == event.metadata["kitops/signer"].value
    assert {
        **again,
        "reference": made["reference"],
        "signatures": [{**item, "isNew": True} for item in again["signatures"]],
    } == made
    assert event.metadata["kitops/tag"].value == "latest"


def test_an_unsigned_kit_does_not_pass(run, signing, context_dir):
    (found,) = results(run, context_dir, signing, sign=False).get_asset_check_evaluations()
    assert not found.passed
    reference = signing.get_client().resolve(signing.reference("team/tiny:latest"))
    verdict = signing.get_client().check_signatures(reference, trust=signing.get_trust()).to_json()
    assert found.metadata["kitops/verification"].value == verdict


def test_the_provenance_of_a_resource_with_a_key_is_signed(run, signing, context_dir):
    results(run, context_dir, signing, sign=True)
    from kitops_orchestration.lineage.answers.questions import lineage

    reference = signing.reference("team/tiny:latest")
    found = lineage(signing.get_client().repository(reference), "latest", trust=signing.get_trust())
    assert found.provenance is not None


def test_signing_without_a_key_fails_and_tags_nothing(run, kitops, context_dir):
    assert not run([tiny(context_dir, sign=True)], raise_on_error=False).success
    assert list(tags_if_there(kitops.get_client().repository(kitops.reference("team/tiny")))) == []


@pytest.mark.parametrize(
    ("sign", "verify", "is_loaded"),
    [
        (True, "require", True),
        (False, "require", False),
        (False, "warn", True),
        (False, "off", True),
    ],
)
def test_loading_judges_signatures_as_it_is_told(run, signing, context_dir, sign, verify, is_loaded):
    resources = {"kitops": signing, "io_manager": ModelKitIOManager(kitops=signing, verify=verify)}
    result = run([tiny(context_dir, sign=sign), reader], resources=resources, raise_on_error=False)
    assert result.success is is_loaded


def test_judging_without_anyone_to_trust_fails_closed(run, kitops, context_dir):
    resources = {"io_manager": ModelKitIOManager(kitops=kitops, verify="warn")}
    assert not run([tiny(context_dir), reader], resources=resources, raise_on_error=False).success


def test_keys_and_passwords_do_not_show(signing):
    assert "secret" not in repr(signing)
