"""A person approves exactly the digest that is shown; then it is in production, and on record as running there.

The policy asks for one approval in the role ``risk``. Airflow's "Required Actions" page shows the review card;
whoever answers is written into a signed statement beside the ModelKit, a rejection as well. What they write for the
model's card is on its passport from then on. Then people are told.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import dag

from airflow_kitops.operators import (
    KitApprovePromotionOperator,
    KitDiffOperator,
    KitNotifyOperator,
    KitRecordDeploymentOperator,
    KitTagOperator,
)

POLICY = os.environ.get("KITOPS_EXAMPLE_POLICY", str(Path(__file__).with_name("promotion.yaml")))


def tell(context) -> None:
    """Stand for ``SlackWebhookNotifier(slack_webhook_conn_id="slack", text="{{ kitops.text }}")``."""
    print(context["kitops"]["text"])


@dag(
    schedule=None,
    catchup=False,
    params={"candidate": "wine:v1.0.0", "against": "wine:v1.0.0"},
    tags=["kitops"],
    doc_md=__doc__,
)
def approve_and_promote():
    candidate = KitTagOperator(task_id="candidate", reference="{{ params.candidate }}", tag="candidate")
    diff = KitDiffOperator(task_id="diff", left="{{ params.against }}", right=candidate.output)
    approve = KitApprovePromotionOperator(
        task_id="approve",
        reference=candidate.output,
        stage="production",
        policy=POLICY,
        role="risk",
        subject="Promote {{ params.candidate }} to production?",
        card_sections=["intended-use", "limitations"],
    )
    record = KitRecordDeploymentOperator(
        task_id="record",
        reference=approve.output,
        environment="production",
        target={"kind": "vm", "name": "scoring-1"},
    )
    told = KitNotifyOperator(task_id="told", reference=approve.output, notifier=tell)
    diff >> approve >> record >> told


approve_and_promote = approve_and_promote()
