"""``kitctl reject``."""

from __future__ import annotations

from kitops_orchestration.cli.decision import decision_command

command = decision_command(
    "reject",
    """Record that this digest shall not go to a stage; it blocks until the same person approves.

    kitctl reject registry.example/staging/iris:1.4.0 --stage production --policy promotion.yaml --key ada.key
    """,
    needs_key=False,
)
