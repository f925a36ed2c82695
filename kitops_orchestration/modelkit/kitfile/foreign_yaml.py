"""YAML of others, read with PyYAML's own tags, and bounded before a value is made of it.

For ``MLmodel``; of a conda environment all values are text.  Policies take their tags and are stricter still.  A
Kitfile is read as Go reads it: ``yaml_reader``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

NO_VALUE = (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError)
"""What PyYAML raises for a scalar that its tag does not fit (``!!bool x``, ``!!int ''``), or that is too large for it
(``"\\UFFFFFFFF"``, a number in base 60 with 200 places): it looks up and reckons, and asks not."""
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_MOST_NUMBER_LETTERS = 4096
"""PyYAML reads ``1:1:1`` as a number in base 60, in a time that grows with the square of its length."""


@contextmanager
def told_as_ours() -> Iterator[None]:
    """Turn what PyYAML raises while it reads a document into a :class:`ValueError` that says what is wrong."""
    try:
        yield
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())[:200]}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except (OverflowError, ValueError) as error:
        # Of an escape, "\UFFFFFFFF": an OverflowError before Python 3.13, and chr() says so itself from then on.
        if isinstance(error, OverflowError) or str(error).startswith("chr()"):
            raise ValueError(f"not YAML: an escape that is no character: {error}") from error
        raise


def load_bounded(text: str, most_more: int) -> Any:
    """Return the values of one document; following its aliases may add ``most_more`` letters and values to its own.

    Raises:
        ValueError: not YAML, larger than that, or a document that contains itself.
    """
    with told_as_ours():
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            if node is None:
                return None
            if _size(node, {}) > 2 * len(text) + most_more:
                raise ValueError(f"its aliases add more than {most_more} letters to it")
            constructor = yaml.constructor.SafeConstructor()
            return constructor.construct_document(node)
        except NO_VALUE as error:
            raise ValueError(f"a value does not fit its tag, or is none: {error}") from error


class _TextComposer(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's front half: it gives no scalar a type, and ends where there are too many values."""

    def __init__(self, text: str, most_values: int) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._left = most_values

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Count a value, and read it."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("it has too many values")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def load_texts(text: str, most_values: int) -> Any:
    """Return one document as mappings, lists and texts: ``1.10`` is ``"1.10"``, whatever its tag says.

    Nothing is reckoned, so it takes a time that grows with the text alone; following aliases may add ``most_values``
    letters and values to its own.

    Raises:
        ValueError: not YAML, more values than ``most_values``, a name that is there twice or is not text, a merge key,
            or a document that contains itself.
    """
    with told_as_ours():
        node = _TextComposer(text, most_values).get_single_node()
        if node is None:
            return None
        if _size(node, {}) > 2 * len(text) + most_values:
            raise ValueError(f"its aliases add more than {most_values} letters to it")
        return _texts(node)


def _texts(node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_texts(child) for child in node.value]
    found: dict[str, Any] = {}
    for key, child in node.value:
        line = key.start_mark.line + 1
        if key.id != "scalar":
            raise ValueError(f"line {line}: a name is not text")
        if key.value == "<<":
            raise ValueError(f"line {line}: merge keys (<<) are not read")
        if key.value in found:
            raise ValueError(f"line {line}: {key.value[:40]!r} is written twice")
        found[key.value] = _texts(child)
    return found


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
