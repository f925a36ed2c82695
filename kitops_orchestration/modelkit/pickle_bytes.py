"""Pickles, and what may hide one, told from the first bytes of a file.

Sources: the standard library's ``pickletools``; NumPy's format of arrays.
"""

from __future__ import annotations

import bz2
import lzma
import pickletools
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

HEAD_BYTES = 64 * 1024
"""What is looked at of a file."""
_NAME = re.compile(r"[A-Za-z_][\w.]* [A-Za-z_][\w.]*")
_STARTS = (b"(", b"c", b"}", b"]")
_ENOUGH_OPCODES = 4
_DECOMPRESSORS: Mapping[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
    b"]\x00\x00": partial(lzma.LZMADecompressor, lzma.FORMAT_ALONE),
    b"x\x01": zlib.decompressobj,
    b"x^": zlib.decompressobj,
    b"x\x9c": zlib.decompressobj,
    b"x\xda": zlib.decompressobj,
}
_UNREADABLE = (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07")
"""Zstandard, LZ4 (its frames, and those of old), 7-Zip, RAR."""
_TAR_AT, _TAR = 257, b"ustar"


def is_pickle(head: bytes, *, is_whole: bool = False, depth: int = 1) -> bool:
    """Tell whether a file that begins with these bytes is a pickle, or holds one one level down.

    ``is_whole`` says that the file has no more bytes.
    """
    if _is_bare_pickle(head, is_whole=is_whole) or _is_array_of_objects(head):
        return True
    inner = _decompressed(head) if depth else b""
    return bool(inner) and is_pickle(inner, depth=depth - 1)


def _is_bare_pickle(head: bytes, *, is_whole: bool) -> bool:
    says_protocol = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    if not says_protocol and head[:1] not in _STARTS:
        return _names_code(head)
    count = 0
    for name, argument in _opcodes(head):
        count += 1
        if name == "STOP" or (says_protocol and count >= _ENOUGH_OPCODES):
            return count > 1
        if name == "GLOBAL" and not (isinstance(argument, str) and _NAME.fullmatch(argument)):
            return False
    # The head ended inside an opcode: for the old protocols, which are text, more than a few have to make sense.
    return says_protocol and count > 1 if is_whole else count >= _ENOUGH_OPCODES


def _names_code(head: bytes) -> bool:
    """Tell whether bytes that begin with any other opcode, as those of another form may, lead to a name to import."""
    texts = 0
    for name, argument in _opcodes(head):
        if name in ("GLOBAL", "INST") and isinstance(argument, str) and _NAME.fullmatch(argument):
            return True
        if name == "STACK_GLOBAL" and texts:
            return True
        texts += isinstance(argument, str)
    return False


def _opcodes(head: bytes) -> Iterator[tuple[str, object]]:
    try:
        for opcode, argument, _ in pickletools.genops(head):
            yield opcode.name, argument
    except Exception:  # noqa: BLE001 - bytes of others: whatever the parser raises ends the list
        return


def _is_array_of_objects(head: bytes) -> bool:
    """An array of Python objects in NumPy's format: its content is a pickle."""
    if head[:6] != b"\x93NUMPY":
        return False
    return re.search(rb"'descr':[^}]*'\|?O'", head[:1024]) is not None


def hides_more(head: bytes) -> bool:
    """Tell whether a file is an archive, or compressed, in a form that is not looked into: twice, or one of others."""
    inner = _decompressed(head)
    return _is_packed(head) or (bool(inner) and (_is_packed(inner) or inner[:2] == b"PK" or bool(_decompressed(inner))))


def _is_packed(head: bytes) -> bool:
    return head.startswith(_UNREADABLE) or head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


def _decompressed(head: bytes) -> bytes:
    for magic, make in _DECOMPRESSORS.items():
        if head.startswith(magic):
            try:
                tool = make()
                return bytes(tool.decompress(head, HEAD_BYTES))
            except (OSError, zlib.error, lzma.LZMAError, EOFError, ValueError):
                return b""
    return b""
