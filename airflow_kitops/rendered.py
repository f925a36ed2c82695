"""What a template rendered, as the value that a field stands for.

Jinja makes text of everything, nothing included; with ``render_template_as_native_obj`` it makes numbers of text
(``{{ ds_nodash }}``) and lists of lists.  Fields take either.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kitops_orchestration.errors import KitOpsError

_NOTHING = ("", "None")
_MAPPING_OF_A_TASK = re.compile(r"""\{.*["']reference["']\s*:.*\}""", re.DOTALL)
_MAPPINGS = re.compile(r"[\[(]?\s*\{(?!\{).*\}\s*,?\s*[\])]?", re.DOTALL)
"""The text of any mapping, or of a list of some; a template that nobody rendered is none."""
_REFERENCES = frozenset(
    {"reference", "repository", "source", "destination", "push_to", "left", "right", "places", "to"}
)
"""Fields that say which ModelKit, or what becomes one: no text of a mapping is any of these."""
_KEY = re.compile(r"[A-Za-z_][\w.-]{0,39}")
_MOST_KEYS = 12
_MOST_READ = 100_000


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
        f"{name} is no mapping, but {type(value).__name__}{_keys_of(str(value))}",
        advice="a template renders one with native objects",
    )


def refuse_rendered_mappings(values: Mapping[str, Any]) -> None:
    """Refuse fields, by their names, where a template made text of the mapping that another task returned.

    Read as a reference, such a text is told as a wrong digest, or as a registry with a password before it.  Where a
    field says which ModelKit, every mapping's text is refused, in a list as well; elsewhere one that has a reference.

    Raises:
        KitOpsError: a value is such a text; the message has the names of its keys, and nothing of what they hold.
    """
    for name, value in values.items():
        is_reference = name in _REFERENCES
        is_several = is_reference and isinstance(value, list | tuple | set)
        form = _MAPPINGS if is_reference else _MAPPING_OF_A_TASK
        for item in value if is_several else [value]:
            if isinstance(item, str) and form.fullmatch(item.strip()):
                raise KitOpsError(
                    f"{name} is a mapping that a template made text of{_keys_of(item)}",
                    advice="hand over the other task's output itself (task.output), or take its ['reference'] in the "
                    "template, or set render_template_as_native_obj=True on the DAG",
                )


def _keys_of(text: str) -> str:
    """Return the names of the keys of a mapping that was made text of, for a message; nothing where it is none.

    What they hold may be a token, and so may be what cannot be read.
    """
    found = _read(text)
    first = found[0] if isinstance(found, list | tuple) and found else found
    if not isinstance(first, Mapping) or not first:
        return ""
    names = [key if isinstance(key, str) and _KEY.fullmatch(key) else "\u2026" for key in first]
    more = ["\u2026"] if len(names) > _MOST_KEYS else []
    return f": it has {', '.join([*names[:_MOST_KEYS], *more])}"


def _read(text: str) -> Any:
    if len(text) > _MOST_READ:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text.strip())
        # Whatever a text does to a parser: it is for a message, which can do without.
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return None
