"""The passport in the forms of others: SPDX 3 with its AI profile, and a model card with the Hub's front matter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.passport.model_card import front_matter
from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.statements import Approval, Metric, TestResult
from kitops_orchestration.lineage.statements.attach import attach, attest
from kitops_orchestration.modelkit.kitfile.front_matter import read_front_matter
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry

AT = datetime(2026, 6, 1, tzinfo=UTC)
EVIL = "---\nlicense: mit\n---\n<script>alert(1)</script> [x](javascript:alert(1)) \u202e"


@pytest.fixture
def page(own_story):
    card = {"sections": {"intended-use": "Rank.", "limitations": "English."}, "createdOn": "2026-05-01T00:00:00Z"}
    attest(own_story.repository, "4.0", "card", card, signer=own_story.signers["ada"])
    attest(own_story.repository, "4.0", "card", {"sections": {"limitations": "None, says nobody."}})
    measured = (Metric("f1", "0.9", dataset="holdout"), Metric("auc", "0.8"))
    result = TestResult("PASSED", metrics=measured, created_on="2026-05-02T00:00:00Z")
    attach(own_story.repository, "4.0", result, signer=own_story.signers["evaluator"])
    return passport(own_story.repository, "4.0", trust=own_story.trust, open_base=own_story.open_base, at=AT)


def test_spdx_says_what_is_on_record_and_nothing_else(page) -> None:
    document = page.to_spdx()
    graph = document["@graph"]
    ids = [item["spdxId"] for item in graph if "spdxId" in item]
    assert len(ids) == len(set(ids))
    (model,) = [item for item in graph if item["type"] == "ai_AIPackage"]
    assert (model["name"], model["software_packageVersion"]) == ("churn", "4.0")
    assert model["verifiedUsing"][0]["hashValue"] == page.digest.hex
    assert (model["ai_informationAboutApplication"], model["ai_limitation"]) == ("Rank.", "English.")
    assert {item["key"]: item["value"] for item in model["ai_metric"]} == page.metrics
    relations = {item["relationshipType"]: item for item in graph if item["type"] == "Relationship"}
    assert {"trainedOn", "descendantOf", "dependsOn", "hasDeclaredLicense", "hasConcludedLicense"} <= set(relations)
    known = {*ids, "expandedlicensing_NoAssertionLicense"}
    assert all(to in known for item in relations.values() for to in item["to"])
    data = {item["spdxId"]: item["name"] for item in graph if item["type"] == "dataset_DatasetPackage"}
    assert len(data) == len({use.data.identity for use in page.data.data})
    own = {use.data.shown for use in page.data.data if use.depth == 0}
    assert {data[to] for to in relations["trainedOn"]["to"]} == own
    assert json.loads(json.dumps(document)) == page.to_spdx()


def test_a_model_card_has_the_front_matter_that_the_hub_reads(page, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(page.to_model_card(), encoding="utf-8")
    front = read_front_matter(path)
    assert front["license"] == "apache-2.0"
    assert front["tags"] == ["kitops"]
    (result,) = [item for item in front["model-index"][0]["results"] if item["dataset"]["name"] == "holdout"]
    assert (result["dataset"]["name"], result["metrics"]) == ("holdout", [{"type": "f1", "value": "0.9"}])
    assert "### Capabilities and limitations" in path.read_text(encoding="utf-8")
    assert "says nobody" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "in_cyclonedx", "in_spdx", "on_the_hub"),
    [
        ("apache-2.0", [{"license": {"id": "Apache-2.0"}}], "Apache-2.0", {"license": "apache-2.0"}),
        (
            "MIT or GPL-2.0-only with classpath-exception-2.0",
            [{"expression": "MIT OR GPL-2.0-only WITH Classpath-exception-2.0"}],
            "MIT OR GPL-2.0-only WITH Classpath-exception-2.0",
            {"license": "other", "license_name": "MIT or GPL-2.0-only with classpath-exception-2.0"},
        ),
        (
            "Proprietary",
            [{"license": {"name": "Proprietary"}}],
            "LicenseRef-Proprietary",
            {"license": "other", "license_name": "Proprietary"},
        ),
        ("GPL", [{"license": {"name": "GPL"}}], "LicenseRef-GPL", {"license": "gpl"}),
        (
            "Our terms (2026)",
            [{"license": {"name": "Our terms (2026)"}}],
            "LicenseRef-Our-terms-2026",
            {"license": "other", "license_name": "Our terms (2026)"},
        ),
    ],
)
def test_a_licence_is_an_expression_only_where_spdx_knows_its_words(
    tmp_path: Path, words, in_cyclonedx, in_spdx, on_the_hub
) -> None:
    (tmp_path / "m").mkdir()
    kitfile = {"manifestVersion": "1.0.0", "package": {"name": "m", "license": words}, "model": {"path": "m.bin"}}
    (tmp_path / "m" / "Kitfile").write_text(json.dumps(kitfile))
    (tmp_path / "m" / "m.bin").write_bytes(b"m")
    repository = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path)}/team/m"))
    pack(tmp_path / "m", repository, tag="v1")
    found = passport(repository, "v1")
    assert found.to_cyclonedx()["metadata"]["component"]["licenses"] == in_cyclonedx
    graph = found.to_spdx()["@graph"]
    (licence,) = [item for item in graph if item["type"] == "simplelicensing_LicenseExpression"]
    assert licence["simplelicensing_licenseExpression"] == in_spdx
    texts = {item["spdxId"]: item["simplelicensing_licenseText"] for item in graph if "LicensingText" in item["type"]}
    told = {entry["key"]: texts[entry["value"]] for entry in licence.get("simplelicensing_customIdToUri", [])}
    assert told == ({in_spdx: words} if in_spdx.startswith("LicenseRef-") else {})
    assert front_matter(found).items() >= on_the_hub.items()


def test_no_text_ends_the_front_matter_or_becomes_markup(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    kitfile = {
        "manifestVersion": "1.0.0",
        "package": {"name": EVIL, "license": EVIL, "description": EVIL},
        "model": {"path": "m.bin", "framework": EVIL},
    }
    (tmp_path / "m" / "Kitfile").write_text(json.dumps(kitfile))
    (tmp_path / "m" / "m.bin").write_bytes(b"m")
    repository = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path)}/team/evil"))
    pack(tmp_path / "m", repository, tag="v1")
    attach(repository, "v1", Approval("REJECTED", "production", comment=EVIL))
    attest(repository, "v1", "card", {"sections": {"limitations": EVIL}})
    found = passport(repository, "v1")
    path = tmp_path / "README.md"
    path.write_text(found.to_model_card(), encoding="utf-8")
    assert read_front_matter(path)["library_name"].startswith("---")
    body = path.read_text(encoding="utf-8").split("\n---\n", 1)[1]
    assert "<script" not in body
    assert "\n---\n" not in body
    assert "\u202e" not in path.read_text(encoding="utf-8")
    text = json.dumps(found.to_spdx())
    assert "LicenseExpression" not in text
    assert "\\u202e" not in text
    assert lineage(repository, "v1").written
