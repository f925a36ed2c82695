"""Secrets in the text of a file: decoded, notebooks unwrapped, and bounded in what is read.

Up to 1 MiB is read whole.  Of longer text the first and last 256 KiB are: a token in the middle of a table of a GiB is
the business of the optional scanner.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from kitops_orchestration import secret_shapes
from kitops_orchestration.modelkit.packing.gate import names

HEAD_BYTES = 8192
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = (("utf-16-le", 2, 0), ("utf-16-be", 2, 1), ("utf-32-le", 4, 0), ("utf-32-be", 4, 3))
"""Encoding, bytes of a character, and which of them is not zero in an ASCII one."""
_WIDEST = 4
_LEAST_WIDE = 8
_NO_LETTERS = bytes(code for code in range(256) if not (32 <= code < 127 or code in b"\t\n\r"))
WHOLE_BYTES = 1 << 20
END_BYTES = 256 * 1024
_SOURCES = (
    ".py",
    ".pyi",
    ".js",
    ".mjs",
    ".ts",
    ".jsx",
    ".tsx",
    ".go",
    ".java",
    ".rs",
    ".rb",
    ".c",
    ".cc",
    ".cpp",
    ".h",
)
_PROSE = (".md", ".rst", ".mdx", ".ipynb")
_MAX_FINDINGS = 200
"""Of one file: a file with more is no place to name each."""


@dataclass(frozen=True, slots=True)
class TextSecret:
    """One secret in a file's text."""

    rule: str
    kind: str
    line: int
    value: str
    is_sure: bool


def is_text(head: bytes) -> bool:
    """Tell from its first bytes whether a file is text: in UTF-16 or UTF-32, or anything without a zero byte."""
    return encoding_of(head) is not None


def encoding_of(head: bytes) -> str | None:
    """Return the encoding of a text by its mark, or by where its zero bytes are; ``None`` for what is no text."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if b"\0" not in head:
        return "utf-8-sig"
    return next((encoding for encoding, width, at in _WIDE if _is_wide(head, width, at)), None)


def _is_wide(head: bytes, width: int, at: int) -> bool:
    """Tell whether most characters are ASCII in so many bytes, of which only the one at ``at`` is not zero.

    Numbers of two or four bytes look much the same, but few of them are letters throughout.
    """
    count = len(head) // width
    whole = head[: count * width]
    letters = whole[at::width]
    zeros = sum(whole[place::width].count(0) for place in range(width) if place != at)
    wide = count * (width - 1)
    printable = len(letters.translate(None, _NO_LETTERS))
    return count >= _LEAST_WIDE and zeros >= 0.8 * wide and printable >= 0.95 * count


def read_text(file: BinaryIO, size: int) -> Iterator[tuple[str, bool]]:
    """Yield the text to look at, and whether its first line is the file's; ``file`` stands at its start."""
    data = file.read(WHOLE_BYTES if size <= WHOLE_BYTES else END_BYTES)
    encoding = encoding_of(data[:HEAD_BYTES]) or "utf-8-sig"
    yield _decoded(data, encoding), True
    if size > WHOLE_BYTES:
        at = -(-(size - END_BYTES) // _WIDEST) * _WIDEST  # where a character of any width begins
        file.seek(at)
        yield _decoded(file.read(size - at), encoding), False


def _decoded(data: bytes, encoding: str) -> str:
    return data.decode(encoding, "replace").removeprefix("\ufeff")


def secrets_in(path: str, text: str) -> list[TextSecret]:
    """Return the secrets of one piece of text, by shape and by what a file of this name holds."""
    found = [
        TextSecret(rule, kind, text.count("\n", 0, start) + 1, text[start:end], True)
        for rule, kind, start, end in names.secrets_by_content(path, text)
    ]
    found += _by_shape(path, text)
    if path.endswith(".ipynb"):
        found += _in_notebook(text)
    unique = {(item.line, item.value): item for item in reversed(found)}
    ordered = sorted(unique.values(), key=lambda item: (not item.is_sure, item.line))
    named, rest = ordered[:_MAX_FINDINGS], ordered[_MAX_FINDINGS:]
    if rest:  # as one, by all their values: what is not named is not passed over, and not allowed with the others
        values = "\0".join(item.value for item in rest)
        named.append(TextSecret("more-secrets", f"{len(rest)} more", rest[0].line, values, rest[0].is_sure))
    return sorted(named, key=lambda item: item.line)


def _by_shape(path: str, text: str) -> Iterator[TextSecret]:
    lower = path.lower()
    is_source = lower.endswith(_SOURCES)
    for item in secret_shapes.find(text):
        if item.rule == "plain-assignment" and (is_source or lower.endswith(_PROSE)):
            continue  # without quotes it is an expression there
        is_sure = item.is_sure or (item.rule != "url-password" and not (is_source or lower.endswith(_PROSE)))
        yield TextSecret(item.rule, item.kind, item.line, text[item.start : item.end], is_sure)


def _in_notebook(text: str) -> Iterator[TextSecret]:
    """Look into the strings of a notebook: escapes hide what stands in them."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    for piece in _strings(document):
        for item in secret_shapes.find(piece):
            value = piece[item.start : item.end]
            at = text.find(json.dumps(value)[1:-1])
            at = at if at >= 0 else text.find(json.dumps(value, ensure_ascii=False)[1:-1])
            if at < 0:
                at = text.find(json.dumps(value.splitlines()[0])[1:-1])
            yield TextSecret(item.rule, item.kind, text.count("\n", 0, max(at, 0)) + 1, value, item.is_sure)


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings of a notebook; the lines of a cell together, and no images."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield "".join(value)
            return
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not key.startswith("image/"):
                yield from _strings(item)


def secrets_in_document(document: Any) -> list[TextSecret]:
    """Return the secrets of a mapping's texts, by shape and by the key they stand under; each says at which."""
    found: dict[str, TextSecret] = {}
    for place, key, piece in _leaves(document, "", ""):
        shown = f"{key}: {piece}" if key else piece
        for item in secret_shapes.find(shown):
            value = shown[item.start : item.end]
            found.setdefault(value, TextSecret(item.rule, f"{item.kind}, at {place}", 1, value, True))
    return list(found.values())


def _leaves(value: Any, place: str, key: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, key and text of every text in a mapping; a key is a text as well."""
    if isinstance(value, str):
        yield place, key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            inner = f"{place}.{name}" if place else str(name)
            if secret_shapes.find(str(name)):
                inner = place or "a key"  # the key is the secret, and no value of one is ever shown
                yield inner, "", str(name)
            yield from _leaves(item, inner, str(name))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{place}[{number}]", key)
