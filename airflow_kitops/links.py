"""Links from a task in Airflow's UI: to the ModelKit in its registry, to the MLflow run, to the open approval.

Airflow asks for a link on the worker, when the task ends, and stores the answer; an empty text is no link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_kitops._compat import BaseOperatorLink, XCom, conf
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class ModelKitLink(BaseOperatorLink):
    """The registry's own page of the ModelKit, by the connection's ``web_url_template``."""

    name = "ModelKit"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the page of the ModelKit that the task returned, or nothing."""
        facts = _returned(ti_key)
        if "reference" not in facts:  # then the connection may be what is wrong
            return ""
        template = operator.hook.settings.web_url_template
        if not template:
            return ""
        try:
            where = Reference.parse(facts["reference"])
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
        return str(_returned(ti_key).get("run_url") or "")


class ApprovalLink(BaseOperatorLink):
    """The page where a person decides."""

    name = "Approval"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the page of this task's required action."""
        base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
        mapped = f"/mapped/{ti_key.map_index}" if ti_key.map_index >= 0 else ""
        return f"{base}/dags/{ti_key.dag_id}/runs/{ti_key.run_id}/tasks/{ti_key.task_id}{mapped}/required_actions"


def _returned(ti_key: TaskInstanceKey) -> dict[str, Any]:
    value = XCom.get_value(ti_key=ti_key, key="return_value")
    return value if isinstance(value, dict) else {}
