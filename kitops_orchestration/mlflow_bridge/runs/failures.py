"""What goes wrong below MLflow, as errors of ours: its own exceptions and those of the libraries that it uses.

A run's artifacts may lie in S3, Azure, Google's cloud, FTP or a database, and each client has exceptions of its own.
MLflow passes most of them on.  They are known by the package that their class comes from, so that none of those
packages has to be imported, or installed.  What comes from nowhere in that list is a defect and stays one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kitops_orchestration.errors import KitOpsError, RunExportError, TrackingUnavailableError
from kitops_orchestration.mlflow_bridge.runs.light_import import import_mlflow
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value

_TRANSIENT_CODES = frozenset({"TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED"})
_TRANSIENT_TEXTS = ("API request to", "too many 5", "Connection refused", "timed out")
_REACHABLE = "check that the tracking server is reachable, then try again"
_S3 = "give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role (MLFLOW_S3_ENDPOINT_URL for other stores)"
_GOOGLE = "give credentials: GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`"
_AZURE = "give AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCESS_KEY or a login (and install azure-identity)"
_DATABASE = "check that the database of the tracking URI is there, reachable, and takes the user and password"
_THROUGH_SERVER = ", or read through a tracking server that serves artifacts"
_LIBRARIES = {
    "botocore": _S3 + _THROUGH_SERVER,
    "boto3": _S3 + _THROUGH_SERVER,
    "s3transfer": _S3 + _THROUGH_SERVER,
    "azure": _AZURE + _THROUGH_SERVER,
    "msal": _AZURE + _THROUGH_SERVER,
    "google": _GOOGLE + _THROUGH_SERVER,
    "googleapiclient": _GOOGLE + _THROUGH_SERVER,
    "sqlalchemy": _DATABASE,
    "alembic": _DATABASE,
    "sqlite3": _DATABASE,
    "psycopg2": _DATABASE,
    "psycopg": _DATABASE,
    "pymysql": _DATABASE,
    "pyodbc": _DATABASE,
    "requests": "check that the server is reachable",
    "urllib3": "check that the server is reachable",
    "http": "check that the server is reachable",
    "ftplib": "check that the FTP server is reachable and takes the user and password",
    "paramiko": "check that the host is reachable and takes the user and key",
    "pysftp": "check that the host is reachable and takes the user and key",
    "aiohttp": "check that the server is reachable",
}
"""Package of an exception to what can be done."""
_AWAY = frozenset(
    {
        "ConnectionError", "ConnectTimeout", "ReadTimeout", "Timeout", "ConnectTimeoutError", "ReadTimeoutError",
        "EndpointConnectionError", "ConnectionClosedError", "MaxRetryError", "NewConnectionError", "ProtocolError",
        "ServiceRequestError", "ServiceResponseError", "ServiceUnavailable", "TransportError", "RetryError",
        "ChunkedEncodingError", "ProxyConnectionError", "HTTPClientError",
    }
)  # fmt: skip
"""Names of exception classes that mean: nobody answered; the same call may succeed later."""
_PACKAGES = {
    "MySQLdb": "mysqlclient",
    "psycopg2": "psycopg2-binary",
    "boto3": "boto3",
    "azure": "azure-storage-blob azure-identity",
    "google": "google-cloud-storage",
    "sqlalchemy": "mlflow",
    "alembic": "mlflow",
}
"""Module to what is installed to have it, where the names differ."""


@contextmanager
def translated(action: str, subject: str) -> Iterator[None]:
    """Turn the failures of MLflow and of what it uses into :class:`RunExportError` that names ``subject``.

    The subject may be any URI: credentials in it are not shown.

    Raises:
        TrackingUnavailableError: nobody answers; the same call may succeed later.
        RunExportError: everything else that is refused, or not installed.
    """
    import_mlflow()
    from mlflow.exceptions import MlflowException

    place = clean_value(subject)
    try:
        yield
    except KitOpsError:
        raise
    except MlflowException as error:
        raise _of_mlflow(f"cannot {action} {place}: {first_line(error)}", error) from error
    except ImportError as error:
        raise RunExportError(f"cannot {action} {place}: {first_line(error)}", advice=_install(error)) from error
    except Exception as error:  # MLflow's stores raise what their libraries raise
        found = _of_library(f"cannot {action} {place}: {first_line(error)}", error)
        if found is None:
            raise
        raise found from error


def first_line(error: BaseException) -> str:
    """Return a bounded text without credentials that a URL may carry."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return clean_value(lines[0][:4000])[:400]


def _of_mlflow(message: str, error: Exception) -> RunExportError:
    code = getattr(error, "error_code", "")
    if code in _TRANSIENT_CODES or (code == "INTERNAL_ERROR" and any(part in message for part in _TRANSIENT_TEXTS)):
        return TrackingUnavailableError(message, advice=_REACHABLE)
    if code == "RESOURCE_DOES_NOT_EXIST":
        return RunExportError(message, advice="check the id and the tracking URI: each server has its own runs")
    if code in {"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}:
        return RunExportError(message, advice="check MLFLOW_TRACKING_USERNAME/PASSWORD or MLFLOW_TRACKING_TOKEN")
    below = error.__cause__ or error.__context__
    if isinstance(below, ImportError):
        return RunExportError(message, advice=_install(below))
    return RunExportError(message, advice=_advice(below) if below is not None else None)


def _of_library(message: str, error: Exception) -> RunExportError | None:
    """Return the failure of a library; ``None`` for an exception that none of them raises: that is a defect."""
    advice = _advice(error)
    if advice is None and not isinstance(error, OSError):
        return None
    if _is_away(error):
        return TrackingUnavailableError(message, advice=advice or _REACHABLE)
    return RunExportError(message, advice=advice)


def _advice(error: BaseException) -> str | None:
    homes = [base.__module__.partition(".")[0] for base in type(error).__mro__]
    return next((_LIBRARIES[home] for home in homes if home in _LIBRARIES), None)


def _is_away(error: Exception) -> bool:
    names = {base.__name__ for base in type(error).__mro__}
    is_requests = any(base.__module__.startswith("requests.") for base in type(error).__mro__)
    return is_requests or bool(names & _AWAY) or isinstance(error, ConnectionError | TimeoutError)


def _install(error: ImportError) -> str:
    """Return what to install; MLflow's own text says it in words where it has one."""
    module = (error.name or "").partition(".")[0]
    if not module:
        return "install the package that is named, in the environment of this program"
    return f"pip install {_PACKAGES.get(module, module)}"
