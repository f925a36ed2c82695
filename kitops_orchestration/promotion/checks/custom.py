"""Checks of the user's own: a Python callable, by ``module:function`` or by an entry point's name.

A callable takes the :class:`~kitops_orchestration.promotion.checks.facts.Facts` and the ``arguments`` of the policy as
keywords, and returns a bool, or ``(passed, what was found)``.  Entry points stand in the group
``kitops_orchestration.checks``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import PromotionError

if TYPE_CHECKING:
    from kitops_orchestration.promotion.checks.facts import Facts

GROUP = "kitops_orchestration.checks"


def check_custom(facts: Facts, arguments: Mapping[str, Any]) -> tuple[bool, str, str, tuple[()]]:
    """Call the user's check; what it raises makes it red."""
    name = arguments["callable"]
    expected = f"{name} says yes"
    function = _find(name)
    try:
        answer = function(facts, **(arguments.get("arguments") or {}))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of others: whatever it raises is a "no"
        return False, expected, f"it failed: {type(error).__name__}: {error}", ()
    if isinstance(answer, tuple) and len(answer) == 2:
        return answer[0] is True, expected, str(answer[1]), ()
    return answer is True, expected, f"it returned {answer!r}", ()


def _find(name: str) -> Callable[..., Any]:
    module, colon, attribute = name.partition(":")
    try:
        if colon:
            found = getattr(importlib.import_module(module), attribute)
        else:
            found = next(iter(entry_points(group=GROUP, name=name))).load()
    except (ImportError, AttributeError, ValueError, StopIteration) as error:
        raise PromotionError(
            f"the check {name!r} cannot be loaded: {type(error).__name__}: {error}",
            advice=f"name module:function, or an entry point of the group {GROUP}",
        ) from error
    if not callable(found):
        raise PromotionError(f"the check {name!r} is not callable", advice="name a function")
    return found  # type: ignore[no-any-return]  # all that can be known of others' code
