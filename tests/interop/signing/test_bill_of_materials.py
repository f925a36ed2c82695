"""Our bill of materials against CycloneDX's own strict schema, in an environment of its own."""

from __future__ import annotations

import json

import pytest

from kitops_orchestration.lineage.passport import passport
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
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
    pack(context, repository, tag="v1")

    document = json.dumps(passport(repository, "v1").to_cyclonedx())

    done = run("-c", CHECK, text=document)
    assert done.returncode == 0, done.stdout + done.stderr
