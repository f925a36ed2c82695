"""``kitctl reject``."""

from __future__ import annotations

from kitops_orchestration.cli.options.decision import decision_command

command = decision_command(
    "reject",
    """Refuse a digest for a stage: it blocks until the same person approves, or somebody overrules it who may.

    kitctl reject registry.example/staging/iris:1.4.0 --stage production --policy promotion.yaml --key ada.key
    """,
)
