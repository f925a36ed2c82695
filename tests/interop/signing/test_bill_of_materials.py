"""Our bill of materials against CycloneDX's own strict schema, in an environment of its own."""

from __future__ import annotations

import json

import pytest

from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.statements import Dependency, provenance
from kitops_orchestration.lineage.statements.attach import attach, attest
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.signing import TrustPolicy, generate_key_pair
from kitops_orchestration.testing.builders import make_context_dir

CHECK = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
print(error)
sys.exit(error is not None)
"""


@pytest.mark.parametrize("kitfile", [None, "manifestVersion: 1.0.0\nmodel: {path: model.bin}\n"], ids=["full", "bare"])
def test_the_bill_of_materials_is_valid(own_environment, tmp_path, kitfile) -> None:
    run = own_environment("cyclonedx-python-lib[json-validation]>=11")
    context = make_context_dir(tmp_path / "context")
    if kitfile is not None:
        (context / "Kitfile").write_text(kitfile)
    repository = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path / 'registry')}/team/iris"))
    packed = pack(context, repository, tag="v1")
    signer = generate_key_pair(key_format="pkcs8").signer
    text = b"scikit-learn==1.5.2\nnumpy>=1.26,<3\n"
    needs = Dependency("environment", "requirements.txt", digest={"sha256": Digest.of(text).hex}, content=text)
    attach(repository, "v1", provenance(packed, dependencies=[needs]), signer=signer)
    sections = {"intended-use": "Rank.", "limitations": "English.", "ethical-considerations": "None known."}
    attest(repository, "v1", "card", {"sections": sections}, signer=signer)

    found = passport(repository, "v1", trust=TrustPolicy.for_key(signer.public_key)).to_cyclonedx()
    assert {item["name"] for item in found["components"] if item["type"] == "library"} == {"numpy", "scikit-learn"}
    assert len(found["metadata"]["component"]["modelCard"]["considerations"]) == 3
    document = json.dumps(found)

    done = run("-c", CHECK, text=document)
    assert done.returncode == 0, done.stdout + done.stderr
