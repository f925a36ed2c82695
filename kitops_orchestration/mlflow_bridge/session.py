"""The door to MLflow: a client, and MLflow's failures as ours.

MLflow is imported inside these functions only; whoever has not installed it gets told which extra to install.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kitops_orchestration.errors import MissingExtraError, RunExportError, TrackingUnavailableError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TRANSIENT_CODES = frozenset({"TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED"})
_TRANSIENT_TEXTS = ("API request to", "too many 5", "Connection refused", "timed out")
_DATABASE_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql")


def connect(tracking_uri: str | None = None, registry_uri: str | None = None) -> MlflowClient:
    """Return MLflow's client; ``None`` means what MLflow itself is configured for.

    Raises:
        MissingExtraError: MLflow is not installed, or only ``mlflow-skinny`` is and the URI names a database.
    """
    try:
        from mlflow import MlflowClient, get_tracking_uri
    except ImportError as error:
        raise MissingExtraError("MLflow is not installed", extra="mlflow") from error
    if is_database(tracking_uri or get_tracking_uri()):
        require("a database as the tracking store", "sqlalchemy", "alembic")
    with translated("connect to MLflow", tracking_uri or "the configured tracking server"):
        return MlflowClient(tracking_uri=tracking_uri, registry_uri=registry_uri)


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
def translated(action: str, subject: str) -> Iterator[None]:
    """Turn MLflow's and its clients' exceptions into :class:`RunExportError` that names ``subject``.

    Raises:
        TrackingUnavailableError: the server does not answer; the same call may succeed later.
        RunExportError: everything else MLflow refuses.
    """
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        yield
    except MlflowException as error:
        raise _as_ours(action, subject, error) from error
    except RequestException as error:
        raise TrackingUnavailableError(
            f"cannot {action} {subject}: {_first_line(error)}", advice="check that the tracking server is reachable"
        ) from error
    except OSError as error:
        raise RunExportError(f"cannot {action} {subject}: {_first_line(error)}") from error


def _as_ours(action: str, subject: str, error: Exception) -> RunExportError:
    code = getattr(error, "error_code", "")
    text = _first_line(error)
    message = f"cannot {action} {subject}: {text}"
    if code in _TRANSIENT_CODES or (code == "INTERNAL_ERROR" and any(part in text for part in _TRANSIENT_TEXTS)):
        return TrackingUnavailableError(message, advice="check that the tracking server is reachable, then try again")
    if code == "RESOURCE_DOES_NOT_EXIST":
        return RunExportError(message, advice="check the id and the tracking URI: each server has its own runs")
    if code in {"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}:
        return RunExportError(message, advice="check MLFLOW_TRACKING_USERNAME/PASSWORD or MLFLOW_TRACKING_TOKEN")
    return RunExportError(message)


def _first_line(error: Exception) -> str:
    """Return a bounded text without credentials that a URL may carry."""
    from kitops_orchestration.mlflow_bridge.redaction import clean_value

    lines = str(error).strip().splitlines() or [type(error).__name__]
    return clean_value(lines[0][:400])
