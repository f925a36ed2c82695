from __future__ import annotations

from pathlib import Path

import pytest

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.mlflow_bridge.store.checkout import model_root


@pytest.fixture
def content(tmp_path: Path) -> Path:
    model = tmp_path / "content" / "model"
    model.mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "secret.txt").write_text("local")
    (model / "link").symlink_to(tmp_path)
    return tmp_path / "content"


def test_a_path_is_looked_for_in_the_model_and_then_in_the_modelkit(content: Path) -> None:
    assert model_root(content) == content / "model"
    assert model_root(content, "MLmodel") == content / "model" / "MLmodel"
    assert model_root(content, "model/MLmodel") == content / "model" / "MLmodel"


@pytest.mark.parametrize("path", ["/etc/passwd", "../../secret.txt", "../../../../../../etc/passwd", "link/secret.txt"])
def test_a_path_outside_of_what_was_unpacked_is_not_there(content: Path, path: str) -> None:
    with pytest.raises(ModelKitError, match="the ModelKit has no"):
        model_root(content, path)
