"""Links from a task in Airflow's UI: to the ModelKit in its registry, to the MLflow run, to the open approval.

Airflow asks for a link on the worker, when the task ends, and stores the answer; an empty text is no link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_kitops._compat import BaseOperatorLink, XCom, conf
from airflow_kitops.asset_uris import asset_uri
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class ModelKitLink(BaseOperatorLink):
    """The page of the ModelKit: the registry's own by the connection's ``web_url_template``, else the one here."""

    name = "ModelKit"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the page of the ModelKit that the task returned, or nothing."""
        facts = _returned(ti_key)
        if "reference" not in facts:  # then the connection may be what is wrong
            return ""
        template = operator.hook.settings.web_url_template
        try:
            where = Reference.parse(facts["reference"])
            if not template:
                return _own_page(where)
            return str(template).format(
                registry=where.registry, repository=where.repository, tag=where.tag or "", digest=where.digest or ""
            )
        except (KitOpsError, AttributeError, LookupError, ValueError):
            return ""


class MlflowRunLink(BaseOperatorLink):
    """The run in MLflow's UI, where its tracking server has one."""

    name = "MLflow run"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the page of the run that was exported, or nothing."""
        return str(_returned(ti_key).get("runUrl") or "")


class ApprovalLink(BaseOperatorLink):
    """The page where a person decides."""

    name = "Approval"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the page of this task's required action."""
        base = _base_url()
        mapped = f"/mapped/{ti_key.map_index}" if ti_key.map_index >= 0 else ""
        return f"{base}/dags/{ti_key.dag_id}/runs/{ti_key.run_id}/tasks/{ti_key.task_id}{mapped}/required_actions"


def page_of(reference: str) -> str:
    """Return the ModelKit's page in Airflow; nothing where that cannot be said."""
    try:
        return _own_page(Reference.parse(reference))
    except KitOpsError:
        return ""


def _own_page(where: Reference) -> str:
    """Return the page that this package serves; it is found by the asset, which only the API server knows."""
    if where.digest is None:
        return ""
    return f"{_base_url()}/kitops/modelkit?{urlencode({'uri': asset_uri(where), 'digest': str(where.digest)})}"


def _base_url() -> str:
    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/")


def _returned(ti_key: TaskInstanceKey) -> dict[str, Any]:
    value = XCom.get_value(ti_key=ti_key, key="return_value")
    return value if isinstance(value, dict) else {}
