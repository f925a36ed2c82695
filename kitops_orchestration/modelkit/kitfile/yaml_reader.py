"""YAML text into nodes with their places, and nodes into plain values, as Go's yaml.v3 reads them.

PyYAML's scanner and parser are used (the same grammar as yaml.v3's); its YAML 1.1 resolver and its
constructors are not.
"""

# How it works.  PyYAML scans and parses, and gives nodes.  Plain scalars are left without a type: whether ``1.10`` is
# text or a number is decided by the field that it is for, as Go decides it (yaml_scalars.py).
#
# What has to stay true:
#
# - A Kitfile means here what it means to the Kit CLI: the digest of a ModelKit depends on it.  Where PyYAML and
#   yaml.v3 differ, yaml.v3 is followed, also where it is odd.  tests/data/yaml_golden.json holds what Go reads.
# - Every error names file, line and field.  So nodes are kept to the end, and values are made of them last.
# - The text is somebody else's.  Its size, its depth and what its aliases expand to are bounded while it is read.
# - A key that is there twice is an error, never the last one's win: two readers could disagree about which one
#   counts.

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from kitops_orchestration.errors import KitfileError
from kitops_orchestration.modelkit.kitfile import yaml_scalars
from kitops_orchestration.modelkit.kitfile.schema import MAX_DEPTH

MAX_TEXT_BYTES = 4 * 1024 * 1024
_MAX_VALUES = 200_000  # after expansion of aliases: a bound on "billion laughs"
_MAX_CHARS = 4 * MAX_TEXT_BYTES  # of all texts in them: an alias may lead to a long one
_CORE = "tag:yaml.org,2002:"
_PLAIN = ""


class _Composer(Reader, Scanner, Parser, Composer):
    """PyYAML's front half, with plain scalars left unresolved (empty tag)."""

    # yaml.v3's scanner does not know "\\/", and takes "\\'".  PyYAML's stubs call the table final; it is not.
    ESCAPE_REPLACEMENTS = {  # type: ignore[misc] # noqa: RUF012 - PyYAML reads it off the class
        **{sign: value for sign, value in Scanner.ESCAPE_REPLACEMENTS.items() if sign != "/"},
        "'": "'",
    }

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Let a later anchor of the same name take over, as YAML 1.2 and yaml.v3 do."""
        if not self.check_event(yaml.AliasEvent):
            anchor = self.peek_event().anchor  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
            self.anchors.pop(anchor, None)
        node: Node | None = super().compose_node(parent, index)
        return node

    def compose_scalar_node(self, anchor: Any) -> ScalarNode:
        """Refuse half a character: an escape of UTF-16 has no meaning in YAML, and cannot be written as UTF-8."""
        node: ScalarNode = super().compose_scalar_node(anchor)
        if any("\ud800" <= sign <= "\udfff" for sign in node.value):
            raise ComposerError(None, None, "an escape of a UTF-16 surrogate: write \\U and 8 digits", node.start_mark)
        return node

    def process_directives(self) -> Any:
        """Take ``%YAML 1.1`` alone, as yaml.v3 does."""
        start = self.peek_token().start_mark  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
        result = super().process_directives()  # type: ignore[no-untyped-call]  # PyYAML's stubs as well
        if self.yaml_version not in (None, (1, 1)):
            raise ComposerError(None, None, "the Kit CLI reads %YAML 1.1 only: leave the line out", start)
        return result

    def descend_resolver(self, current_node: Node | None, current_index: Any) -> None:
        """Path resolvers are not used."""

    def ascend_resolver(self) -> None:
        """Path resolvers are not used."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:  # noqa: ARG002 - PyYAML calls it so
        """Leave plain scalars open; the text decides later, with the field that it is for."""
        if kind is ScalarNode:
            return _PLAIN if implicit[0] else _CORE + "str"
        return _CORE + ("map" if kind is MappingNode else "seq")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a document: the file's name, if any, and the dotted field."""

    path: str | None = None
    field: str = ""

    def child(self, key: str | int) -> Place:
        """Return the place of a mapping value or list item."""
        if isinstance(key, int):
            return Place(self.path, f"{self.field}[{key}]")
        return Place(self.path, f"{self.field}.{key}" if self.field else key)

    def error(self, node: Node | None, problem: str, advice: str | None = None) -> KitfileError:
        """Build the error that names file, line and field."""
        line = f":{node.start_mark.line + 1}" if node is not None else ""
        where = f"{self.path or 'Kitfile'}{line}"
        field = f" {self.field}:" if self.field else ""
        return KitfileError(f"{where}:{field} {problem}", path=self.path, field=self.field or None, advice=advice)


def compose(text: str, place: Place) -> Node:
    """Parse the first document of ``text``; raises :class:`KitfileError` for bad or no YAML."""
    if len(text) > MAX_TEXT_BYTES:
        raise place.error(None, f"the text is larger than {MAX_TEXT_BYTES} bytes")
    try:
        composer = _Composer(text)
        root = composer.get_node() if composer.check_node() else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise KitfileError(
            f"{place.path or 'Kitfile'}{line}: not YAML: {error.problem or error.context}",
            path=place.path,
            advice="correct the file there; text with ': ' or ' #' in it needs quotes",
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # chr() of an escape raises the last two
        raise KitfileError(
            f"{place.path or 'Kitfile'}: not YAML: {error}", path=place.path, advice="write it as plain YAML text"
        ) from error
    except RecursionError as error:
        raise place.error(None, "not YAML that can be read: nested too deeply") from error
    if root is None:
        raise place.error(None, "the file is empty", "a Kitfile needs at least 'manifestVersion: 1.0.0'")
    return root


def is_null(node: Node) -> bool:
    """Tell whether a node is YAML's null."""
    return isinstance(node, ScalarNode) and _resolved(node, Place())[0] == yaml_scalars.NULL


def text_of(node: Node, place: Place) -> str:
    """Return the literal text of a scalar bound to a string field; null is empty."""
    if not isinstance(node, ScalarNode):
        raise place.error(node, f"expected text, got a {kind_of(node)}")
    tag, value = _resolved(node, place)
    if tag == yaml_scalars.NULL:
        return ""
    return str(value) if tag == yaml_scalars.BINARY else str(node.value)


def pairs(node: Node, place: Place) -> Iterator[tuple[str, Node, Node]]:
    """Yield key text, key node and value node of a mapping, merges resolved, own keys first.

    Raises:
        KitfileError: not a mapping, a key that is not a scalar, or the same key twice.
    """
    if not isinstance(node, MappingNode):
        raise place.error(node, f"expected a mapping, got a {kind_of(node)}")
    yield from _pairs(node, place, (), set())


def _pairs(
    node: MappingNode, place: Place, outer: tuple[Node, ...], known: set[int]
) -> Iterator[tuple[str, Node, Node]]:
    if any(node is item for item in outer):
        raise place.error(node, "an anchor contains itself")
    if id(node) in known:
        return  # merged into the same mapping before: it has nothing to add, and ten times ten times ten would not end
    known.add(id(node))
    merges: list[Node] = []
    lines: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise place.error(key, f"a key has to be text, got a {kind_of(key)}")
        if key.value in lines:
            raise place.child(key.value).error(key, f"the key is already there in line {lines[key.value]}")
        lines[key.value] = key.start_mark.line + 1
        if _resolved(key, place)[0] == yaml_scalars.MERGE:
            merges.append(value)
        else:
            yield key.value, key, value
    for merged in merges:
        yield from _merged(merged, place, (*outer, node), lines, known)


def _merged(
    node: Node, place: Place, outer: tuple[Node, ...], seen: dict[str, int], known: set[int]
) -> Iterator[tuple[str, Node, Node]]:
    sources = node.value if isinstance(node, SequenceNode) else [node]
    for source in sources:
        if not isinstance(source, MappingNode):
            raise place.error(source, "'<<' takes a mapping or a list of mappings")
        for text, key, value in _pairs(source, place, outer, known):
            if text not in seen:
                seen[text] = key.start_mark.line + 1
                yield text, key, value


def items(node: Node, place: Place) -> list[tuple[int, Node]]:
    """Return the items of a sequence with their index; null is none, and an item that is null is dropped.

    An item with no content must not become an entry: one without a path is the whole context.
    """
    if is_null(node):
        return []
    if not isinstance(node, SequenceNode):
        raise place.error(node, f"expected a list, got a {kind_of(node)}")
    return [(index, item) for index, item in enumerate(node.value) if not is_null(item)]


def kind_of(node: Node) -> str:
    """Name a node's kind for people."""
    if isinstance(node, MappingNode):
        return "mapping"
    return "list" if isinstance(node, SequenceNode) else f"single value ({str(node.value)[:40]!r})"


class ValueReader:
    """Turn nodes into JSON-compatible values, with a bound on what aliases may expand to."""

    def __init__(self) -> None:
        self._count = self._chars = 0
        self._open: list[Node] = []

    def read(self, node: Node, place: Place) -> Any:
        """Return dict, list, str, int, float, bool, None or :class:`~.yaml_scalars.Timestamp`."""
        self._count += 1
        if self._count > _MAX_VALUES:
            raise place.error(node, f"more than {_MAX_VALUES} values: aliases expand too far")
        if isinstance(node, ScalarNode):
            self._count_chars(node, place)
            return _resolved(node, place)[1]
        if any(node is item for item in self._open):
            raise place.error(node, "an anchor contains itself")
        if len(self._open) == MAX_DEPTH:
            raise KitfileError(
                f"{place.path or 'Kitfile'}: values are nested deeper than {MAX_DEPTH} levels", path=place.path
            )
        self._open.append(node)
        try:
            return self._read_collection(node, place)
        finally:
            self._open.pop()

    def _read_collection(self, node: Node, place: Place) -> Any:
        if isinstance(node, SequenceNode):
            return [self.read(item, place.child(index)) for index, item in enumerate(node.value)]
        result = {}
        for text, key, value in pairs(node, place):
            if not isinstance(key, ScalarNode) or _resolved(key, place)[0] != yaml_scalars.STR:
                raise place.error(key, f"the key {text!r} is not text", f'write it in quotes: "{text}"')
            self._count_chars(key, place)
            result[text] = self.read(value, place.child(text))
        return result

    def _count_chars(self, node: ScalarNode, place: Place) -> None:
        self._chars += len(node.value)
        if self._chars > _MAX_CHARS:
            raise place.error(node, f"more than {_MAX_CHARS} letters: aliases expand too far")


def _resolved(node: ScalarNode, place: Place) -> tuple[str, Any]:
    tag = node.tag
    short = "!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag
    if short == yaml_scalars.STR or (short.startswith("!") and not short.startswith("!!")):
        return yaml_scalars.STR, node.value
    try:
        return yaml_scalars.resolve(node.value, short)
    except ValueError as error:
        raise place.error(node, str(error)) from error
