"""Files that are not what they say, told from their first and last bytes."""

from __future__ import annotations

import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import BinaryIO

from kitops_orchestration.modelkit.packing.gate.weights import (
    BadWeightsError,
    NotWeightsError,
    check_gguf,
    check_safetensors,
)

WEIGHTS = (
    *(".safetensors", ".gguf", ".onnx", ".pt", ".pth", ".bin", ".ckpt", ".h5", ".hdf5", ".keras", ".npy", ".npz"),
    *(".joblib", ".pkl", ".pickle", ".tflite", ".msgpack", ".mar", ".mlmodel", ".ggml"),
)
LFS_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\r?\n(?:.*\r?\n)*?size (\d+)\s*\Z")
_MAX_POINTER_BYTES = 1024
_ERROR_PAGE = re.compile(
    rb"\s*(?:<!doctype html|<html|<\?xml[^>]*>\s*<Error>|\{\s*\"(?:error|errors|message)\"\s*:)", re.I
)
_NO_ERROR_PAGES = (".msgpack", ".mlmodel")
_PICKLE_STARTS = tuple(b"\x80" + bytes([version]) for version in (2, 3, 4, 5))
_ZIP = b"PK\x03\x04"
_ZIPS = (".pt", ".pth", ".bin", ".ckpt", ".npz", ".keras", ".mar")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NUMPY = b"\x93NUMPY"
_ZERO_BYTES = 4096
_MAX_CONFIG_BYTES = 16 * 1024 * 1024

Broken = tuple[str, str, bool]
"""Rule, what is wrong in words for people, and whether it is sure."""


def look(path: str, file: BinaryIO, size: int, head: bytes) -> Broken | None:
    """Return what is wrong with a file, or ``None``; ``head`` is its beginning, and ``file`` may stand anywhere."""
    if size <= _MAX_POINTER_BYTES and (match := LFS_POINTER.match(head)):
        return "lfs-pointer", f"a Git LFS pointer to {int(match[1])} bytes (run: git lfs pull)", True
    suffix = "." + path.rsplit("/", 1)[-1].rpartition(".")[2].lower()
    if suffix not in WEIGHTS:
        return None
    if size == 0:
        return "empty-weights", "empty", True
    if _ERROR_PAGE.match(head) and suffix not in _NO_ERROR_PAGES:
        return "error-page", "an error page, not weights", True
    return _by_suffix(suffix, file, size, head) or _zeros(file, size, head)


def _by_suffix(suffix: str, file: BinaryIO, size: int, head: bytes) -> Broken | None:
    name = suffix[1:]
    if name in ("safetensors", "gguf", "onnx") and head.startswith((*_PICKLE_STARTS, _ZIP)):
        what = "a zip archive" if head.startswith(_ZIP) else "a pickle"
        return "other-format", f"not {name}: begins with {what}", True
    check = _CHECKS.get(suffix)
    if check is None and suffix in _ZIPS and head.startswith(_ZIP):
        check = _check_zip
    if check is None:
        return None
    file.seek(0)
    try:
        check(file, size)
    except NotWeightsError as error:
        return "no-header", str(error), False
    except BadWeightsError as error:
        return "broken-weights", str(error), True
    return None


def _zeros(file: BinaryIO, size: int, head: bytes) -> Broken | None:
    if size < _ZERO_BYTES or head.strip(b"\0"):
        return None
    file.seek(max(0, size - _ZERO_BYTES))
    return None if file.read(_ZERO_BYTES).strip(b"\0") else ("zeros", "only zeros, as far as was looked", False)


def _check_zip(file: BinaryIO, size: int) -> None:  # noqa: ARG001 - every check is called so
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            has_code = _holds_lambda(archive) if "config.json" in names else False
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, zlib.error):
        raise BadWeightsError("a zip archive that is cut or damaged") from None
    if any(name.startswith("/") or ".." in name.split("/") for name in names):
        raise BadWeightsError("a zip archive with a member that leaves its folder")
    if has_code:
        raise BadWeightsError("a Keras model with a Lambda layer: code that runs when it is loaded")


def _holds_lambda(archive: zipfile.ZipFile) -> bool:
    """Tell whether the configuration of a Keras model names a layer that is a function by value."""
    with archive.open("config.json") as stream:
        text = stream.read(_MAX_CONFIG_BYTES)
    try:
        left = [json.loads(text)]
    except (ValueError, RecursionError):
        return False
    while left:
        item = left.pop()
        if isinstance(item, dict):
            if item.get("class_name") in ("Lambda", "__lambda__"):
                return True
            left += item.values()
        elif isinstance(item, list):
            left += item
    return False


def _check_hdf5(file: BinaryIO, size: int) -> None:
    for offset in (0, 512, 1024, 2048):
        file.seek(offset)
        if file.read(8) == _HDF5:
            version = (file.read(1) or b"\xff")[0]
            at = {0: 40, 1: 44, 2: 28, 3: 28}.get(version)
            if at is None:
                return
            file.seek(offset + at)
            end = int.from_bytes(file.read(8), "little")
            if end != (1 << 64) - 1 and end > size:
                raise BadWeightsError(f"HDF5 cut: {end - size} bytes missing")
            return
    raise NotWeightsError("not HDF5: it has no signature")


def _check_npy(file: BinaryIO, size: int) -> None:
    import ast  # few folders hold arrays

    head = file.read(12)
    if not head.startswith(_NUMPY):
        raise NotWeightsError("not a NumPy array: it does not begin so")
    wide = head[6] >= 2
    length = struct.unpack_from("<I" if wide else "<H", head, 8)[0]
    start = (12 if wide else 10) + length
    file.seek(12 if wide else 10)
    try:
        table = ast.literal_eval(file.read(min(length, 1 << 16)).decode("latin-1").strip())
        kind, shape = str(table["descr"]), tuple(table["shape"])
        width = int(re.fullmatch(r"[<>|=]?[a-zA-Z](\d+)", kind)[1])  # type: ignore[index] # the except below
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError):
        return  # objects and records are not measured
    width *= 4 if kind.lstrip("<>|=").startswith("U") else 1
    missing = start + math.prod(shape) * width - size
    if missing > 0:
        raise BadWeightsError(f"NumPy array cut: {missing} bytes missing")


_CHECKS: Mapping[str, Callable[[BinaryIO, int], None]] = {
    ".safetensors": check_safetensors,
    ".gguf": check_gguf,
    ".h5": _check_hdf5,
    ".hdf5": _check_hdf5,
    ".npy": _check_npy,
}


def missing_shards(path: str, text: str, present: Collection[str]) -> str | None:
    """Return what an index of weights in several files misses beside it.

    Where none of its files is there, only the configuration was meant to be packed.
    """
    try:
        table = json.loads(text)["weight_map"]
        wanted = sorted({str(name) for name in table.values()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    folder = path.rpartition("/")[0]
    missing = [name for name in wanted if (f"{folder}/{name}" if folder else name) not in present]
    if not missing or len(missing) == len(wanted):
        return None
    return f"{len(missing)} of {len(wanted)} files of the weights are missing, {missing[0]} first"
