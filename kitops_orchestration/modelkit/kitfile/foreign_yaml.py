"""YAML of others, read with PyYAML's own tags, and bounded before a value is made of it.

For ``MLmodel``; policies take their tags and are stricter still.  A Kitfile is read as Go reads it: ``yaml_reader``.
"""

from __future__ import annotations

from typing import Any

import yaml

NO_VALUE = (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError)
"""What PyYAML raises for a scalar that its tag does not fit (``!!bool x``, ``!!int ''``), or that is too large for it
(``"\\UFFFFFFFF"``, a number in base 60 with 200 places): it looks up and reckons, and asks not."""
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_MOST_NUMBER_LETTERS = 4096
"""PyYAML reads ``1:1:1`` as a number in base 60, in a time that grows with the square of its length."""


def load_bounded(text: str, most_more: int) -> Any:
    """Return the values of one document; following its aliases may add ``most_more`` letters and values to its own.

    Raises:
        ValueError: not YAML, larger than that, or a document that contains itself.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return None
        if _size(node, {}) > 2 * len(text) + most_more:
            raise ValueError(f"its aliases add more than {most_more} letters to it")
        constructor = yaml.constructor.SafeConstructor()
        return constructor.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())[:200]}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except NO_VALUE as error:
        raise ValueError(f"a value does not fit its tag, or is none: {error}") from error


def check_number(node: yaml.ScalarNode) -> None:
    """Raise :class:`ValueError` for a number that is too long to be one."""
    if node.tag in _NUMBERS and len(node.value) > _MOST_NUMBER_LETTERS:
        raise ValueError(f"line {node.start_mark.line + 1}: a number of {len(node.value)} letters; put it into quotes")


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many letters and values a node shows; each is looked at once, however often it is shown."""
    if id(node) in known:
        if known[id(node)] == 0:
            raise ValueError("values are nested without end")
        return known[id(node)]
    known[id(node)] = 0
    if isinstance(node, yaml.ScalarNode):
        check_number(node)
        found = 1 + len(node.value)
    else:
        is_mapping = isinstance(node, yaml.MappingNode)
        inner = [part for pair in node.value for part in pair] if is_mapping else node.value
        found = 1 + sum(_size(child, known) for child in inner)
    known[id(node)] = found
    return found
