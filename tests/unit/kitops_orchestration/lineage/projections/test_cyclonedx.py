"""The bill of materials names the libraries that a model's requirements name, and what people wrote who count."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.answers.requirements import RequirementsFile
from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.projections.libraries import MOST, libraries
from kitops_orchestration.lineage.statements import Dependency, Statement
from kitops_orchestration.lineage.statements.attach import attach, attest
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.signing.predicate_types import PROVENANCE

AT = datetime(2026, 6, 1, tzinfo=UTC)
REQUIREMENTS = """\
mlflow==3.4.0
Scikit_Learn == 1.5.2 ; python_version >= "3.11"
numpy>=1.26,<3
pandas[parquet]~=2.2
torch @ https://example.com/torch.whl
cloudpickle==3.*
plain
-r other.txt
--index-url https://user:geheim@example.com/simple
https://example.com/nameless.whl
# a comment
<script>alert(1)</script>
../../etc/passwd
a b c
"""


def say(story, version: str, text: bytes, *, digest: str | None = None, by: str | None = "builder") -> None:
    """Attach the provenance that is there once more, with one more thing that went into the model."""
    (build,) = lineage(story.repository, version).builds
    predicate = json.loads(json.dumps(build.evidence.statement.predicate))
    item = Dependency("environment", "requirements.txt", digest={"sha256": digest or Digest.of(text).hex}, content=text)
    predicate["buildDefinition"]["resolvedDependencies"].append(item.to_resource().to_json())
    predicate["runDetails"]["metadata"]["finishedOn"] = "2026-05-30T00:00:00Z"
    said = Statement.build(story.digests[version], PROVENANCE, predicate)
    attach(story.repository, version, said, signer=story.signers[by] if by else None)


def read(story, version: str = "2.0"):
    return passport(story.repository, version, trust=story.trust, at=AT)


def test_libraries_are_named_with_the_version_where_there_is_one(own_story) -> None:
    say(own_story, "2.0", REQUIREMENTS.encode())
    page = read(own_story)
    assert [(item.name, item.version, item.wanted) for item in libraries(page).named] == [
        ("torch", None, ""),
        ("cloudpickle", None, "==3.*"),
        ("mlflow", "3.4.0", "==3.4.0"),
        ("numpy", None, ">=1.26,<3"),
        ("pandas", None, "~=2.2"),
        ("plain", None, ""),
        ("scikit-learn", "1.5.2", "== 1.5.2"),
    ]
    bill = page.to_cyclonedx()
    found = {item["purl"]: item for item in bill["components"] if item["type"] == "library" and "purl" in item}
    assert set(found) >= {"pkg:pypi/mlflow@3.4.0", "pkg:pypi/scikit-learn@1.5.2", "pkg:pypi/numpy"}
    assert "version" not in found["pkg:pypi/numpy"]
    assert set(found) <= set(bill["dependencies"][0]["dependsOn"])
    assert "geheim" not in str(bill)
    assert "pkg:pypi/torch" not in str(bill)  # what an address gives is not the index's package of that name


def test_what_the_provenance_names_stays_however_much_files_name(own_story) -> None:
    say(own_story, "2.0", REQUIREMENTS.encode())
    page = read(own_story)
    many = RequirementsFile("conda.yaml", ("dependencies:\n" + "- a{}\n" * MOST).format(*range(MOST)).encode())

    found = libraries(replace(page, requirements=(many,)))

    assert set(found.named) > set(libraries(page).named)
    assert len(found.named) == MOST
    assert "7 libraries are left out: the list ends at 2,000" in found.not_read


@pytest.mark.parametrize(("digest", "by"), [("0" * 64, "builder"), (None, None), (None, "ben")])
def test_lines_that_are_not_those_of_the_digest_or_that_nobody_vouches_for_name_nothing(own_story, digest, by) -> None:
    say(own_story, "2.0", b"evil==1.0\n", digest=digest, by=by)
    assert libraries(read(own_story)).named == ()


def test_what_people_wrote_is_in_the_model_card_where_it_counts(own_story) -> None:
    card = {"sections": {"intended-use": "Rank.", "limitations": "English.", "ethical-considerations": "None known."}}
    attest(own_story.repository, "2.0", "card", card)
    bill = read(own_story).to_cyclonedx()
    assert "considerations" not in bill["metadata"]["component"]["modelCard"]
    attest(
        own_story.repository,
        "2.0",
        "card",
        {**card, "createdOn": "2026-05-01T00:00:00Z"},
        signer=own_story.signers["ada"],
    )
    assert read(own_story).to_cyclonedx()["metadata"]["component"]["modelCard"]["considerations"] == {
        "useCases": ["Rank."],
        "technicalLimitations": ["English."],
        "ethicalConsiderations": [{"name": "None known."}],
    }
