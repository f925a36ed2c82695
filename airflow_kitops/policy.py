"""The promotion policy that an operator's field names: a file of the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_kitops._errors import airflow_errors
from airflow_kitops.rendered import text

if TYPE_CHECKING:
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy


def read_policy(path: str) -> PromotionPolicy:
    """Read a policy; what is wrong with it fails the task at once."""
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy

    with airflow_errors():
        return PromotionPolicy.load(text(path, "policy"))


def optional_policy(path: str | None) -> PromotionPolicy | None:
    """Read a policy; ``None`` where the field was left out.

    Without a policy nothing is checked: that is said by leaving it out, not by a template that rendered nothing.
    """
    return None if path is None else read_policy(path)
