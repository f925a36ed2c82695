"""The scratch folder of an export: what went wrong there, and what went wrong elsewhere."""

from __future__ import annotations

import errno

import pytest
import requests

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.workspace import export_scratch


def fail_inside(error: OSError, parent) -> None:
    with export_scratch(parent) as folder:
        (folder / "file").write_text("")
        raise error


def test_a_full_disk_is_said_with_what_to_do(tmp_path) -> None:
    with pytest.raises(RunExportError, match="No space left") as caught:
        fail_inside(OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    assert "free some space" in str(caught.value.advice)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_network_is_not_blamed_on_the_disk(tmp_path) -> None:
    """``requests`` and ``urllib3`` derive theirs from OSError."""
    with pytest.raises(requests.ConnectionError):
        fail_inside(requests.ConnectionError("the server went away"), tmp_path)
    assert list(tmp_path.iterdir()) == []
