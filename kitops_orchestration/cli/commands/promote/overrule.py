"""``kitctl overrule``."""

from __future__ import annotations

from kitops_orchestration.cli.options.decision import decision_command

command = decision_command(
    "overrule",
    """Take back what others refused, in a role that the policy names: rejections: {takenBackBy: [risk]}.

    It revives no approval: whoever approved approves again. Needs --comment.

    kitctl overrule registry.example/staging/iris:1.4.0 --stage production --policy promotion.yaml --key risk.key
    """,
)
