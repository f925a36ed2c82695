"""One table per Kitfile section, carried by its dataclass fields: read from YAML or JSON, written to both.

A field says its key and kind once; reading strictly, reading leniently, JSON and YAML all follow from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from yaml.nodes import Node

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit import yaml_reader, yaml_writer
from kitops_orchestration.modelkit.yaml_reader import MAX_DEPTH, Place, ValueReader

T = TypeVar("T")


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


def read_yaml(section: type[T], node: Node, place: Place, values: ValueReader) -> T:
    """Build a section from a YAML node, strictly.

    Raises:
        KitfileError: unknown or duplicate key, or a value of the wrong kind, with file, line and field.
    """
    if yaml_reader.is_null(node):
        return section()
    known = {key: field for key, field in fields(section).items() if not field.metadata.get("json")}
    found: dict[str, Any] = {}
    for key, key_node, value in yaml_reader.pairs(node, place):
        field = known.get(key)
        if field is None:
            raise place.child(key).error(key_node, "unknown key", _suggestion(key, known))
        found[field.name] = _read_yaml_value(field, value, place.child(key), values)
    return section(**found)


def _read_yaml_value(field: dataclasses.Field[Any], node: Node, place: Place, values: ValueReader) -> Any:
    kind = field.metadata["kind"]
    if kind == "text":
        return yaml_reader.text_of(node, place)
    if kind == "anything":
        return values.read(node, place)
    if kind == "texts":
        return tuple(
            yaml_reader.text_of(item, place.child(index)) for index, item in enumerate(yaml_reader.items(node, place))
        )
    if kind == "one":
        if yaml_reader.is_null(node) and not field.metadata.get("always"):
            return None
        return read_yaml(field.metadata["of"], node, place, values)
    return tuple(
        read_yaml(field.metadata["of"], item, place.child(index), values)
        for index, item in enumerate(yaml_reader.items(node, place))
    )


def _suggestion(key: str, known: Mapping[str, Any]) -> str:
    close = [name for name in known if name.lower() == key.lower().replace("_", "")]
    return f"write '{close[0]}'" if close else f"known keys here: {', '.join(known)}"


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
        return sort_maps(value) if for_json else yaml_writer.sort_naturally(value)
    if kind == "texts":
        return yaml_writer.FlowList(value)
    if kind == "one":
        return to_plain(value, for_json=for_json)
    return [to_plain(item, for_json=for_json) for item in value]


def _is_written(field: dataclasses.Field[Any], value: Any, *, for_json: bool) -> bool:
    kind = field.metadata["kind"]
    if kind in ("anything", "one"):
        # Go's omitempty never leaves out a struct in JSON; yaml.v3 leaves out one without content.
        return value is not None and (for_json or kind == "anything" or bool(value) or not field.metadata.get("always"))
    return bool(value) or bool(field.metadata.get("always"))


def sort_maps(value: Any) -> Any:
    """Return ``value`` with every map sorted by the bytes of its keys, as Go marshals maps."""
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: str(pair[0]).encode("utf-8", "surrogateescape"))
        return {key: sort_maps(item) for key, item in pairs}
    if isinstance(value, (list, tuple)):
        return [sort_maps(item) for item in value]
    return value
