"""Framework objects through MLflow's flavours: saved as an MLflow model, loaded back by it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from dagster_kitops.assets.content import ModelKitContent
from kitops_orchestration.errors import MissingExtraError, UnsupportedModelKitError


def save_model(model: Any, flavor: str, model_dir: Path, *, name: str) -> ModelKitContent:
    """Save ``model`` with ``mlflow.<flavor>.save_model`` below ``model_dir`` and return it as content of a kit.

    ``name`` is what the kit is called: the asset's, for its class says nothing of what it is for.

    Raises:
        MissingExtraError: MLflow or the flavour's framework is not installed.
    """
    from kitops_orchestration.modelkit.kitfile import MANIFEST_VERSION, Kitfile, Model, Package

    _flavor(flavor).save_model(model, str(model_dir / "model"))
    kitfile = Kitfile(
        manifest_version=MANIFEST_VERSION,
        package=Package(name=name),
        model=Model(name=name, path="model", framework=flavor, description=f"A {type(model).__name__}"),
    )
    return ModelKitContent(context_dir=model_dir, kitfile=kitfile)


def load_model(kit_dir: Path, wanted: Any) -> Any:
    """Load the MLflow model in an unpacked kit as the framework's own object, else as a ``pyfunc`` model.

    Raises:
        UnsupportedModelKitError: the kit holds no MLflow model.
    """
    found = sorted(kit_dir.rglob("MLmodel"), key=lambda path: len(path.parts))
    if not found:
        raise UnsupportedModelKitError(
            f"cannot load a {getattr(wanted, '__name__', wanted)}: the ModelKit holds no MLflow model",
            advice="annotate the parameter with pathlib.Path and read the files yourself",
        )
    pyfunc = _flavor("pyfunc")
    if wanted is pyfunc.PyFuncModel:
        return pyfunc.load_model(str(found[0].parent))
    from mlflow.models import Model

    loaders = [name for name in Model.load(str(found[0])).flavors if name != "python_function"]
    return _flavor(loaders[0] if loaders else "pyfunc").load_model(str(found[0].parent))


def _flavor(name: str) -> Any:
    from kitops_orchestration.mlflow_bridge.runs.light_import import import_mlflow

    try:
        import_mlflow()
        return importlib.import_module(f"mlflow.{name}")
    except ImportError as error:
        raise MissingExtraError(f"the MLflow flavour {name!r} cannot be imported: {error}", extra="mlflow") from error
