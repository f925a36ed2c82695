"""The door to MLflow: a client.  Failures are in :mod:`.failures`.

MLflow is imported inside these functions only; whoever has not installed it gets told which extra to install.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from kitops_orchestration.errors import MissingExtraError, RunExportError
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.light_import import import_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DATABASE_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql")
_DEFAULT = threading.RLock()
_FEW_RETRIES = 3
"""With MLflow's usual pauses some 15 s where a server refuses to be spoken to."""
_PATIENCE_SECONDS = 15
""":func:`require_answer` waits so long for each answer."""


def connect(tracking_uri: str | None = None, registry_uri: str | None = None, *, is_made: bool = False) -> MlflowClient:
    """Return MLflow's client; ``None`` means what MLflow itself is configured for.

    MLflow makes a database that is not there, and the folders around it.  Whoever reads wants to hear of the mistake
    instead: only with ``is_made`` a new one is all right.

    Raises:
        RunExportError: there is no configuration, and no store in the working directory either.
        MissingExtraError: MLflow is not installed, or only ``mlflow-skinny`` is and the URI names a database.
    """
    try:
        import_mlflow()
        from mlflow import MlflowClient, get_tracking_uri
    except ImportError as error:
        raise MissingExtraError("MLflow is not installed", extra="mlflow") from error
    if tracking_uri is None:
        _check_configured(get_tracking_uri())
    place = tracking_uri or get_tracking_uri()
    if not is_made:
        _check_database(place)
    if is_database(place):
        require("a database as the tracking store", "sqlalchemy", "alembic")
    with translated("connect to MLflow", tracking_uri or "the configured tracking server"):
        return MlflowClient(tracking_uri=tracking_uri, registry_uri=registry_uri)


def require_answer(client: MlflowClient, registered_model: str) -> None:
    """Ask the model registry once for a model, with few tries, before what MLflow itself would try for four minutes.

    For who has done its work already and only tells MLflow of it.  Any answer will do; a database is not asked.

    Raises:
        TrackingUnavailableError: nobody answers, or a server says of itself that it is not there.
    """
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES
    from mlflow.utils.rest_utils import http_request

    credentials = getattr(client._get_registry_client().store, "get_host_creds", None)
    if credentials is None:
        return
    with translated("reach the MLflow server of", registered_model):
        http_request(
            credentials(),
            "/api/2.0/mlflow/registered-models/get",
            "GET",
            params={"name": registered_model},
            max_retries=min(_FEW_RETRIES, MLFLOW_HTTP_REQUEST_MAX_RETRIES.get()),
            timeout=_PATIENCE_SECONDS,
        )


def is_database(tracking_uri: str) -> bool:
    """Tell whether the tracking URI is a database that this process would open itself."""
    return urlsplit(tracking_uri).scheme.split("+")[0] in _DATABASE_SCHEMES


def quoted(text: str) -> str:
    """Return a text as MLflow's search takes it: there is no escaping, but there are two kinds of quotes."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def require(purpose: str, *modules: str) -> None:
    """Raise :class:`MissingExtraError` when ``mlflow-skinny`` alone is installed and ``purpose`` needs more."""
    missing = [name for name in modules if not _is_there(name)]
    if missing:
        raise MissingExtraError(
            f"{purpose} needs the whole of MLflow, not mlflow-skinny ({', '.join(missing)} missing)",
            extra="mlflow-full",
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # sys.modules has None for it: somebody blocks the import
        return False


@contextmanager
def also_by_default(client: MlflowClient) -> Iterator[None]:
    """Make the client's tracking store MLflow's default for a call, and put the one before back.

    Some of MLflow's own code makes a client without arguments: registering a logged model in a database asks the
    default store for it.  The default belongs to the process, so one thread at a time has its way.
    """
    from mlflow.environment_variables import MLFLOW_TRACKING_URI
    from mlflow.tracking._tracking_service import utils

    with _DEFAULT:
        if utils.get_tracking_uri() == client.tracking_uri:
            yield
            return
        # Setting it also writes the environment variable, for child processes: both are put back.
        before, inherited = utils._tracking_uri, MLFLOW_TRACKING_URI.get()
        utils.set_tracking_uri(client.tracking_uri)
        try:
            yield
        finally:
            utils.set_tracking_uri(before)
            if inherited:
                MLFLOW_TRACKING_URI.set(inherited)


def _check_configured(default_uri: str) -> None:
    """Refuse to make a store where nobody asked for one: MLflow would put a database into the working directory.

    Raises:
        RunExportError: no tracking server is configured, and the folder has no runs of its own.
    """
    from mlflow.tracking._tracking_service.utils import is_tracking_uri_set

    if is_tracking_uri_set():
        return
    path = _local_path(default_uri)
    if path is not None and not path.exists():
        raise RunExportError(
            "no tracking server is configured",
            advice="set MLFLOW_TRACKING_URI, or give tracking_uri=... of the server or database",
        )


def _check_database(tracking_uri: str) -> None:
    path = _local_path(tracking_uri) if urlsplit(tracking_uri).scheme == "sqlite" else None
    if path is not None and not path.exists():
        raise RunExportError(
            f"there is no MLflow database at {path}", advice="check the tracking URI; sqlite:////a/b is the file /a/b"
        )


def _local_path(tracking_uri: str) -> Path | None:
    """Return the file or folder of a store on this machine; ``None`` for a server."""
    parts = urlsplit(tracking_uri)
    if parts.scheme == "sqlite":
        return Path(unquote(parts.path[1:])) if parts.path[1:] else None
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if parts.scheme else Path(tracking_uri)
