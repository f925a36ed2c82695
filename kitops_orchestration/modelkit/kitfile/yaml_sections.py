"""A Kitfile's sections, read from YAML nodes by the table that their fields carry.

Apart from :mod:`.schema`, because a Kitfile that comes from a registry is JSON: who reads those pays for no YAML.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from yaml.nodes import Node

from kitops_orchestration.modelkit.kitfile import schema, yaml_reader
from kitops_orchestration.modelkit.kitfile.yaml_reader import Place, ValueReader

T = TypeVar("T")


def read_section(section: type[T], node: Node, place: Place, values: ValueReader) -> T:
    """Build a section from a YAML node, strictly.

    Raises:
        KitfileError: unknown or duplicate key, or a value of the wrong kind, with file, line and field.
    """
    if yaml_reader.is_null(node):
        return section()
    known = {key: field for key, field in schema.fields(section).items() if not field.metadata.get("json")}
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
        return tuple(yaml_reader.text_of(item, place.child(index)) for index, item in yaml_reader.items(node, place))
    if kind == "one":
        if yaml_reader.is_null(node) and not field.metadata.get("always"):
            return None
        return read_section(field.metadata["of"], node, place, values)
    return tuple(
        read_section(field.metadata["of"], item, place.child(index), values)
        for index, item in yaml_reader.items(node, place)
    )


def _suggestion(key: str, known: Mapping[str, Any]) -> str:
    close = [name for name in known if name.lower() == key.lower().replace("_", "")]
    return f"write '{close[0]}'" if close else f"known keys here: {', '.join(known)}"
