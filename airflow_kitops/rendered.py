"""What a template rendered, as the value that a field stands for.

Jinja makes text of everything, nothing included; with ``render_template_as_native_obj`` it makes numbers of text
(``{{ ds_nodash }}``) and lists of lists.  Fields take either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kitops_orchestration.errors import KitOpsError

_NOTHING = ("", "None")
_MAPPING_OF_A_TASK = re.compile(r"""\s*\{.*["']reference["']\s*:.*\}\s*""", re.DOTALL)


def optional_text(value: Any) -> str | None:
    """Return a text; ``None`` where nothing was rendered."""
    text = "" if value is None else str(value).strip()
    return None if text in _NOTHING else text


def text(value: Any, name: str) -> str:
    """Return the text of the field ``name``, which needs one.

    Raises:
        KitOpsError: nothing was rendered.
    """
    found = optional_text(value)
    if found is None:
        raise KitOpsError(f"{name} is {value!r}", advice=f"say which {name}; look at what its template rendered")
    return found


def texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a list; a text alone is one, never its letters."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        alone = optional_text(value)
        return () if alone is None else (alone,)
    return tuple(str(item) for item in value)


def text_map(value: Any, name: str) -> dict[str, str]:
    """Return the mapping of the field ``name`` with its values as text, without those that are ``None``.

    Raises:
        KitOpsError: it is no mapping.
    """
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items() if item is not None}
    if optional_text(value) is None:
        return {}
    raise KitOpsError(
        f"{name} is no mapping: {str(value)[:200]!r}", advice="a template renders one with native objects"
    )


def refuse_rendered_mappings(values: Mapping[str, Any]) -> None:
    """Refuse fields, by their names, where a template made text of the mapping that another task returned.

    Read as a reference, such a text is told as a wrong digest, or as a registry with a password before it.

    Raises:
        KitOpsError: a value is such a text.
    """
    for name, value in values.items():
        if isinstance(value, str) and _MAPPING_OF_A_TASK.fullmatch(value):
            raise KitOpsError(
                f"{name} is a mapping that a template made text of: {' '.join(value.split())[:100]}\u2026",
                advice="hand over the other task's output itself (task.output), or take its ['reference'] in the "
                "template, or set render_template_as_native_obj=True on the DAG",
            )
