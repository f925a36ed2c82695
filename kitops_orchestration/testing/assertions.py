"""What tests of pipelines assert about ModelKits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.validation.report import Validation
    from kitops_orchestration.oci.repository import Repository


def assert_valid(repository: Repository, target: str) -> Validation:
    """Assert that everything holds that the ModelKit at a tag or digest promises; return what was looked at.

    Raises:
        AssertionError: something does not; every finding is in the message.
    """
    from kitops_orchestration.modelkit.validate import validate

    found = validate(repository, target)
    if not found.is_valid:
        lines = "".join(f"\n  {each.name}: {each.what} {each.where}".rstrip() for each in found.wrong)
        raise AssertionError(f"{found.reference} is not valid:{lines}")
    return found
