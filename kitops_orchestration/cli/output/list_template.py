"""Templates of ``kitctl list --format``: the part of Go's template language that a list of ModelKits needs.

``{{ .Repo }}`` puts a field in, ``{{ index .Tags 0 }}`` one tag, ``{{ range .Tags }}…{{ . }}…{{ end }}`` each of them.
The fields have the Kit CLI's names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

FIELDS = ("Repo", "Tags", "Digest", "ModelName", "Size", "Author")
_ACTION = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_INDEX = re.compile(r"index\s+\.Tags\s+(\d+)")


@dataclass(frozen=True, slots=True)
class ListItem:
    """One ModelKit with all of its tags; what templates and ``--format json`` show."""

    repo: str
    tags: tuple[str, ...]
    digest: str
    model_name: str
    size: int
    """Bytes, as the Kit CLI gives them since 1.17."""
    author: str

    def to_json(self) -> dict[str, object]:
        """Return the members that the Kit CLI prints, under its names."""
        return {
            "repo": self.repo,
            "digest": self.digest,
            "tags": list(self.tags),
            "modelName": self.model_name,
            "size": self.size,
            "author": self.author,
        }

    def field(self, name: str) -> str:
        """Return one of :data:`FIELDS` as Go's templates print it: several tags in brackets."""
        values = (self.repo, f"[{' '.join(self.tags)}]", self.digest, self.model_name, str(self.size), self.author)
        return dict(zip(FIELDS, values, strict=True))[name]


Part = Callable[[ListItem, str], str]
"""Prints a part of the template for an item; the text is what ``{{ . }}`` stands for."""


def read_template(text: str) -> Callable[[ListItem], str]:
    """Return what prints an item; raises :class:`click.UsageError` for what is not understood."""
    blocks: list[list[Part]] = [[]]
    for number, piece in enumerate(_ACTION.split(text)):
        if number % 2 == 0:
            _refuse_open_braces(piece)
            blocks[-1].append(_literal(piece))
        elif piece.split() == ["range", ".Tags"]:
            blocks.append([])
        elif piece == "end" and len(blocks) > 1:
            inner = blocks.pop()
            blocks[-1].append(_each_tag(inner))
        else:
            blocks[-1].append(_value(piece, is_in_range=len(blocks) > 1))
    if len(blocks) > 1:
        raise click.UsageError("the template has a {{ range }} without its {{ end }}")
    return lambda item: _joined(blocks[0], item, "")


def _refuse_open_braces(piece: str) -> None:
    if "{{" in piece or "}}" in piece:
        raise click.UsageError(f"the template has braces that are not closed or not opened: {piece.strip()!r}")


def _joined(parts: Sequence[Part], item: ListItem, tag: str) -> str:
    return "".join(part(item, tag) for part in parts)


def _literal(text: str) -> Part:
    return lambda _item, _tag: text


def _each_tag(parts: Sequence[Part]) -> Part:
    return lambda item, _tag: "".join(_joined(parts, item, tag) for tag in item.tags)


def _value(action: str, *, is_in_range: bool) -> Part:
    if action == "." and is_in_range:
        return lambda _item, tag: tag
    index = _INDEX.fullmatch(action)
    if index:
        at = int(index[1])
        return lambda item, _tag: item.tags[at] if at < len(item.tags) else ""
    name = action.removeprefix(".")
    if name == action or name not in FIELDS:
        fields = ", ".join(f"{{{{ .{field} }}}}" for field in FIELDS)
        raise click.UsageError(
            f"the template has {{{{ {action} }}}}; known are {fields}, {{{{ index .Tags 0 }}}} and "
            "{{ range .Tags }}{{ . }}{{ end }}"
        )
    return lambda item, _tag: item.field(name)
