"""The operators. Each reads its fields, calls one verb of the hook and returns a small mapping::

    export = KitExportRunOperator(task_id="export", source="runs:/…", push_to="wine:dev")
    KitPromoteOperator(task_id="promote", reference=export.output, stage="staging")

A name is imported when it is asked for: a DAG file pays for the operators that it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from airflow_kitops.operators.approve import KitApprovePromotionOperator as KitApprovePromotionOperator
    from airflow_kitops.operators.attest import KitAttestOperator as KitAttestOperator
    from airflow_kitops.operators.export_run import KitExportRunOperator as KitExportRunOperator
    from airflow_kitops.operators.import_model import KitImportModelOperator as KitImportModelOperator
    from airflow_kitops.operators.inspect import KitCatalogOperator as KitCatalogOperator
    from airflow_kitops.operators.inspect import KitDiffOperator as KitDiffOperator
    from airflow_kitops.operators.inspect import KitInspectOperator as KitInspectOperator
    from airflow_kitops.operators.notify import KitNotifyOperator as KitNotifyOperator
    from airflow_kitops.operators.pack import KitPackAndPushOperator as KitPackAndPushOperator
    from airflow_kitops.operators.pack import KitPackOperator as KitPackOperator
    from airflow_kitops.operators.promote import KitPromoteOperator as KitPromoteOperator
    from airflow_kitops.operators.record_deployment import KitRecordDeploymentOperator as KitRecordDeploymentOperator
    from airflow_kitops.operators.retention import KitRetentionOperator as KitRetentionOperator
    from airflow_kitops.operators.rollback import KitRollbackOperator as KitRollbackOperator
    from airflow_kitops.operators.scan import KitScanOperator as KitScanOperator
    from airflow_kitops.operators.sign import KitSignOperator as KitSignOperator
    from airflow_kitops.operators.sign import KitVerifyOperator as KitVerifyOperator
    from airflow_kitops.operators.smoke_test import KitSmokeTestOperator as KitSmokeTestOperator
    from airflow_kitops.operators.tag import KitTagOperator as KitTagOperator
    from airflow_kitops.operators.transfer import KitPullOperator as KitPullOperator
    from airflow_kitops.operators.transfer import KitPushOperator as KitPushOperator
    from airflow_kitops.operators.unpack import KitUnpackOperator as KitUnpackOperator
    from airflow_kitops.operators.validate import KitValidateOperator as KitValidateOperator

__all__ = [
    "KitApprovePromotionOperator",
    "KitAttestOperator",
    "KitCatalogOperator",
    "KitDiffOperator",
    "KitExportRunOperator",
    "KitImportModelOperator",
    "KitInspectOperator",
    "KitNotifyOperator",
    "KitPackAndPushOperator",
    "KitPackOperator",
    "KitPromoteOperator",
    "KitPullOperator",
    "KitPushOperator",
    "KitRecordDeploymentOperator",
    "KitRetentionOperator",
    "KitRollbackOperator",
    "KitScanOperator",
    "KitSignOperator",
    "KitSmokeTestOperator",
    "KitTagOperator",
    "KitUnpackOperator",
    "KitValidateOperator",
    "KitVerifyOperator",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "KitApprovePromotionOperator": "approve",
            "KitAttestOperator": "attest",
            "KitCatalogOperator": "inspect",
            "KitDiffOperator": "inspect",
            "KitExportRunOperator": "export_run",
            "KitImportModelOperator": "import_model",
            "KitInspectOperator": "inspect",
            "KitNotifyOperator": "notify",
            "KitPackAndPushOperator": "pack",
            "KitPackOperator": "pack",
            "KitPromoteOperator": "promote",
            "KitPullOperator": "transfer",
            "KitPushOperator": "transfer",
            "KitRecordDeploymentOperator": "record_deployment",
            "KitRetentionOperator": "retention",
            "KitRollbackOperator": "rollback",
            "KitScanOperator": "scan",
            "KitSignOperator": "sign",
            "KitSmokeTestOperator": "smoke_test",
            "KitTagOperator": "tag",
            "KitUnpackOperator": "unpack",
            "KitValidateOperator": "validate",
            "KitVerifyOperator": "sign",
        },
    )
