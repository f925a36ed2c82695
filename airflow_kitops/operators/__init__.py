"""The operators. Each reads its fields, calls one verb of the hook and returns a small mapping::

    export = KitExportRunOperator(task_id="export", source="runs:/…", push_to="wine:dev")
    KitPromoteOperator(task_id="promote", reference=export.output, stage="staging")

A name is imported when it is asked for: a DAG file pays for the operators that it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_kitops.operators.approve import KitApprovePromotionOperator
    from airflow_kitops.operators.attest import KitAttestOperator
    from airflow_kitops.operators.export_run import KitExportRunOperator
    from airflow_kitops.operators.import_model import KitImportModelOperator
    from airflow_kitops.operators.inspect import KitDiffOperator, KitInspectOperator
    from airflow_kitops.operators.pack import KitPackAndPushOperator, KitPackOperator
    from airflow_kitops.operators.promote import KitPromoteOperator
    from airflow_kitops.operators.record_deployment import KitRecordDeploymentOperator
    from airflow_kitops.operators.retention import KitRetentionOperator
    from airflow_kitops.operators.rollback import KitRollbackOperator
    from airflow_kitops.operators.sign import KitSignOperator, KitVerifyOperator
    from airflow_kitops.operators.smoke_test import KitSmokeTestOperator
    from airflow_kitops.operators.tag import KitTagOperator
    from airflow_kitops.operators.transfer import KitPullOperator, KitPushOperator
    from airflow_kitops.operators.unpack import KitUnpackOperator

_HOMES = {
    "KitApprovePromotionOperator": "approve",
    "KitAttestOperator": "attest",
    "KitDiffOperator": "inspect",
    "KitExportRunOperator": "export_run",
    "KitImportModelOperator": "import_model",
    "KitInspectOperator": "inspect",
    "KitPackAndPushOperator": "pack",
    "KitPackOperator": "pack",
    "KitPromoteOperator": "promote",
    "KitPullOperator": "transfer",
    "KitPushOperator": "transfer",
    "KitRecordDeploymentOperator": "record_deployment",
    "KitRetentionOperator": "retention",
    "KitRollbackOperator": "rollback",
    "KitSignOperator": "sign",
    "KitSmokeTestOperator": "smoke_test",
    "KitTagOperator": "tag",
    "KitUnpackOperator": "unpack",
    "KitVerifyOperator": "sign",
}

__all__ = [
    "KitApprovePromotionOperator",
    "KitAttestOperator",
    "KitDiffOperator",
    "KitExportRunOperator",
    "KitImportModelOperator",
    "KitInspectOperator",
    "KitPackAndPushOperator",
    "KitPackOperator",
    "KitPromoteOperator",
    "KitPullOperator",
    "KitPushOperator",
    "KitRecordDeploymentOperator",
    "KitRetentionOperator",
    "KitRollbackOperator",
    "KitSignOperator",
    "KitSmokeTestOperator",
    "KitTagOperator",
    "KitUnpackOperator",
    "KitVerifyOperator",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
