"""``kitctl approve``."""

from __future__ import annotations

from kitops_orchestration.cli.options.decision import decision_command

command = decision_command(
    "approve",
    """Sign that exactly this digest may go to a stage, under this text of the policy.

    kitctl approve registry.example/staging/iris:1.4.0 --stage production --policy promotion.yaml --key ada.key
    """,
)
