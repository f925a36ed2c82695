"""The text of policies: YAML read so that people and programs see the same document.

Trust and promotion policies decide who may do what, so nothing in them is guessed.  A name that stands twice, a
name that is not text, a merge key (``<<``), a document that contains itself or grows out of a few lines, and a
value that is none (``2027-02-30``) are errors with their line.
"""

from __future__ import annotations

from typing import Any

MAX_BYTES = 1024 * 1024
_MAX_NODES = 20_000  # after aliases are followed: a bound on "billion laughs"
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"


def read_policy_text(content: bytes | str) -> Any:
    """Return the values in one YAML document.

    Raises:
        ValueError: not YAML, or one of the things above; the message names the line.
    """
    import yaml

    from kitops_orchestration.modelkit.kitfile.foreign_yaml import told_as_ours

    raw = content.encode() if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        raise ValueError(f"it has {len(raw)} bytes; {MAX_BYTES} are enough for any policy")
    with told_as_ours():
        node = yaml.compose(raw, Loader=yaml.SafeLoader)
        if node is None:
            return None
        _Walk().check(node)
        return yaml.constructor.SafeConstructor().construct_document(node)


class _Walk:
    """Visits every node as often as the document shows it."""

    def __init__(self) -> None:
        import yaml

        from kitops_orchestration.modelkit.kitfile.foreign_yaml import NO_VALUE, check_number

        self._no_value = NO_VALUE
        self._check_number = check_number
        self._construct = yaml.constructor.SafeConstructor().construct_object
        self._seen = 0
        self._open: list[int] = []

    def check(self, node: Any) -> None:
        self._seen += 1
        if self._seen > _MAX_NODES:
            raise ValueError(f"line {_line(node)}: its aliases make it larger than {_MAX_NODES} values")
        if id(node) in self._open:
            raise ValueError(f"line {_line(node)}: it contains itself")
        self._open.append(id(node))
        if node.id == "mapping":
            self._check_names(node)
        elif node.id == "sequence":
            for child in node.value:
                self.check(child)
        else:
            self._check_scalar(node)
        self._open.pop()

    def _check_names(self, node: Any) -> None:
        names: set[str] = set()
        for key, child in node.value:
            if key.tag == _MERGE:
                raise ValueError(f"line {_line(key)}: merge keys (<<) are not read; write the names out")
            if key.id != "scalar" or key.tag != _TEXT:
                raise ValueError(f"line {_line(key)}: a name is not text; put it into quotes")
            if key.value in names:
                raise ValueError(f"line {_line(key)}: {key.value!r} is written twice")
            names.add(key.value)
            self.check(child)

    def _check_scalar(self, node: Any) -> None:
        self._check_number(node)
        try:
            self._construct(node)
        except self._no_value as error:
            raise ValueError(f"line {_line(node)}: {node.value[:40]!r} is no value: {error}") from error


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
