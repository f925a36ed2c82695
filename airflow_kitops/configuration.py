"""The ``[kitops]`` section of Airflow's configuration."""

from __future__ import annotations

from airflow_kitops._compat import conf
from kitops_orchestration.errors import KitOpsError

_DEFAULT_POLL_INTERVAL_SECONDS = 60.0


def poll_interval_seconds() -> float:
    """Return the time between two looks of a trigger at a repository."""
    return float(conf.getfloat("kitops", "poll_interval_seconds", fallback=_DEFAULT_POLL_INTERVAL_SECONDS))


def checked_interval_seconds(given: float | None) -> float:
    """Return the interval, the configured one where none is given.

    Raises:
        KitOpsError: it would let a trigger ask the registry without a pause.
    """
    interval = given or poll_interval_seconds()
    if interval <= 0:
        raise KitOpsError(f"poll_interval_seconds is {interval}", advice="use a number above 0")
    return interval


def scratch_dir() -> str | None:
    """Return the folder for temporary files of tasks; ``None`` means the system's own."""
    return conf.get("kitops", "scratch_dir", fallback="") or None


def page_conn_id() -> str:
    """Return the connection that the ModelKit page asks registries with."""
    return str(conf.get("kitops", "page_conn_id", fallback="") or "kitops_default")


def webhook_conn_id() -> str | None:
    """Return the connection whose MLflow may send webhooks; ``None``: nobody may."""
    return conf.get("kitops", "mlflow_webhook_conn_id", fallback="") or None


def default_registry() -> str | None:
    """Return the registry of references that name none, where the connection names none either."""
    return conf.get("kitops", "default_registry", fallback="") or None


def is_signature_required() -> bool:
    """Tell whether only what is signed may be unpacked and imported."""
    return bool(conf.getboolean("kitops", "require_signature", fallback=False))
