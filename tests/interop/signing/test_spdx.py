"""Our SPDX document against the model's own bindings, in an environment of its own: no schema is fetched."""

from __future__ import annotations

import json

from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.statements import Dependency, git_source, provenance
from kitops_orchestration.lineage.statements.attach import attach, attest
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.signing import TrustPolicy, generate_key_pair
from kitops_orchestration.testing.builders import make_context_dir

CHECK = """
import io, sys
from spdx_python_model import v3_0_1 as spdx
objects = spdx.SHACLObjectSet()
spdx.JSONLDDeserializer().read(io.BytesIO(sys.stdin.buffer.read()), objects)
missing = objects.link()
spdx.JSONLDSerializer().write(objects, io.BytesIO())
(model,) = objects.foreach_type(spdx.ai_AIPackage)
print(model.name, len(list(objects.foreach_type(spdx.Relationship))), sorted(missing))
"""


def test_the_spdx_document_is_valid_and_a_broken_one_is_not(own_environment, tmp_path) -> None:
    run = own_environment("spdx-python-model==0.0.6")
    repository = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path / 'registry')}/team/iris"))
    packed = pack(make_context_dir(tmp_path / "context"), repository, tag="v1")
    signer = generate_key_pair(key_format="pkcs8").signer
    text = b"scikit-learn==1.5.2\nnumpy>=1.26,<3\n"
    parts = [
        Dependency("environment", "requirements.txt", digest={"sha256": Digest.of(text).hex}, content=text),
        Dependency("base-model", "encoder", digest={"sha256": "1" * 64}),
        Dependency("dataset", "train", digest={"sha256": "2" * 64}),
        git_source("https://git.example/risk", "3" * 40),
    ]
    attach(repository, "v1", provenance(packed, dependencies=parts, parameters={"trees": "100"}), signer=signer)
    sections = {"intended-use": "Rank.", "limitations": "English.", "standards": "ISO 42001."}
    attest(repository, "v1", "card", {"sections": sections}, signer=signer)
    document = passport(repository, "v1", trust=TrustPolicy.for_key(signer.public_key)).to_spdx()

    done = run("-c", CHECK, text=json.dumps(document))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split()[-1] == "[]"

    for kind, member in (("dataset_DatasetPackage", "dataset_datasetType"), ("Relationship", "from")):
        broken = json.loads(json.dumps(document))
        next(item for item in broken["@graph"] if item["type"] == kind).pop(member)
        assert run("-c", CHECK, text=json.dumps(broken)).returncode != 0
    # Words that are no licence of SPDX are one of the document's own, with a definition that the document has.
    kitfile = tmp_path / "context" / "Kitfile"
    kitfile.write_text(kitfile.read_text().replace("package:\n", "package:\n  license: Our terms (2026)\n"))
    pack(tmp_path / "context", repository, tag="v2")
    own = passport(repository, "v2").to_spdx()
    assert "LicenseRef-Our-terms-2026" in json.dumps(own)
    done = run("-c", CHECK, text=json.dumps(own))
    assert (done.returncode, done.stdout.split()[-1]) == (0, "[]"), done.stdout + done.stderr

    unknown = json.loads(json.dumps(document))
    unknown["@graph"][-1]["relationshipType"] = "inventedBy"
    assert run("-c", CHECK, text=json.dumps(unknown)).returncode != 0
