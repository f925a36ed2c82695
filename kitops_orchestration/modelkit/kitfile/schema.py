"""One table per Kitfile section, carried by its dataclass fields: read from YAML or JSON, written to both.

A field says its key and kind once; reading strictly (:mod:`.yaml_sections`), reading leniently, JSON and YAML all
follow from it.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.kitfile.key_order import sort_maps, sort_naturally

MAX_DEPTH = 200
"""Levels of free-form values."""
T = TypeVar("T")


class FlowList(list[Any]):
    """A list that is written on one line: ``[a, b]``."""

    __slots__ = ()


def text(key: str | None = None, *, always: bool = False, json_only: bool = False) -> Any:
    """Declare a text field; ``always`` writes it also when empty, ``json_only`` keeps it out of YAML."""
    return dataclasses.field(
        default="", compare=not json_only, metadata={"key": key, "kind": "text", "always": always, "json": json_only}
    )


def texts(key: str | None = None) -> Any:
    """Declare a tuple of texts."""
    return dataclasses.field(default=(), metadata={"key": key, "kind": "texts"})


def anything(key: str | None = None) -> Any:
    """Declare a field that holds any JSON-compatible value; ``None`` is absent."""
    return dataclasses.field(default=None, hash=False, metadata={"key": key, "kind": "anything"})


def one(section: type[Any], key: str | None = None, *, always: bool = False) -> Any:
    """Declare a nested section; ``always`` makes it present even when the file has none."""
    if always:
        return dataclasses.field(
            default_factory=section, metadata={"key": key, "kind": "one", "of": section, "always": True}
        )
    return dataclasses.field(default=None, metadata={"key": key, "kind": "one", "of": section})


def many(section: type[Any], key: str | None = None) -> Any:
    """Declare a tuple of nested sections."""
    return dataclasses.field(default=(), metadata={"key": key, "kind": "many", "of": section})


def fields(section: Any) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a section by their key, in writing order."""
    return {field.metadata.get("key") or field.name: field for field in dataclasses.fields(section)}


def read_json(section: type[T], value: Any, where: str) -> T:
    """Build a section from a config's JSON, leniently: keys of later formats are passed over.

    Raises:
        ModelKitError: a value of the wrong kind.
    """
    if value is None:
        return section()
    if not isinstance(value, dict):
        raise ModelKitError(f"config member {where!r} is not an object")
    found = {}
    for key, field in fields(section).items():
        if key in value:
            found[field.name] = _read_json_value(field, value[key], f"{where}.{key}" if where else key)
    return section(**found)


def _read_json_value(field: dataclasses.Field[Any], value: Any, where: str) -> Any:
    kind = field.metadata["kind"]
    if kind == "anything":
        _check_depth(value, where)
        return value
    if kind == "text":
        if value is not None and not isinstance(value, str):
            raise ModelKitError(f"config member {where!r} is not a string")
        return value or ""
    if kind == "one":
        if value is None and not field.metadata.get("always"):
            return None
        return read_json(field.metadata["of"], value, where)
    if value is not None and not isinstance(value, list):
        raise ModelKitError(f"config member {where!r} is not a list")
    if kind == "texts":
        if not all(isinstance(item, str) for item in value or ()):
            raise ModelKitError(f"config member {where!r} is not a list of strings")
        return tuple(value or ())
    of = field.metadata["of"]
    return tuple(read_json(of, item, f"{where}[{index}]") for index, item in enumerate(value or ()))


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise ModelKitError(f"config member {where!r} is nested deeper than {MAX_DEPTH} levels")


def to_plain(section: Any, *, for_json: bool) -> dict[str, Any]:
    """Return a section as ordered dicts and lists, members left out where Kit leaves them out.

    ``for_json`` adds digests and sorts free-form maps as Go's JSON does.
    """
    result: dict[str, Any] = {}
    for key, field in fields(section).items():
        if field.metadata.get("json") and not for_json:
            continue
        value = _plain_value(field, getattr(section, field.name), for_json=for_json)
        if _is_written(field, value, for_json=for_json):
            result[key] = value
    return result


def _plain_value(field: dataclasses.Field[Any], value: Any, *, for_json: bool) -> Any:
    kind = field.metadata["kind"]
    if value is None or kind == "text":
        return value
    if kind == "anything":
        return sort_maps(value) if for_json else sort_naturally(value)
    if kind == "texts":
        return FlowList(value)
    if kind == "one":
        return to_plain(value, for_json=for_json)
    return [to_plain(item, for_json=for_json) for item in value]


def _is_written(field: dataclasses.Field[Any], value: Any, *, for_json: bool) -> bool:
    kind = field.metadata["kind"]
    if kind in ("anything", "one"):
        # Go's omitempty never leaves out a struct in JSON; yaml.v3 leaves out one without content.
        return value is not None and (for_json or kind == "anything" or bool(value) or not field.metadata.get("always"))
    return bool(value) or bool(field.metadata.get("always"))
