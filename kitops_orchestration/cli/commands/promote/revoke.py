"""``kitctl revoke``."""

from __future__ import annotations

from kitops_orchestration.cli.options.decision import decision_command

command = decision_command(
    "revoke",
    """Take an approval back, with the key that gave it.

    kitctl revoke registry.example/staging/iris:1.4.0 --stage production --policy promotion.yaml --key ada.key
    """,
)
