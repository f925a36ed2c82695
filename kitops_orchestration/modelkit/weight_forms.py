"""Which form weights are stored in, told from the first bytes of a file and, where those do not say, from nothing."""

from __future__ import annotations

UNKNOWN = "unknown"
"""The form of a file that is named like weights, and whose bytes say nothing of it."""
FORMS = frozenset(
    {"pickle", "joblib", "cloudpickle", "dill", "skops", "safetensors", "gguf", "onnx", "hdf5", "keras", "numpy"}
    | {"tflite", "zip"}
)
"""The forms that a policy may name and that a Kitfile may state; other words there are frameworks."""
OTHER_NAMES = {
    "pkl": "pickle",
    "pickle": "pickle",
    "pt": "pickle",
    "pth": "pickle",
    "ckpt": "pickle",
    "h5": "hdf5",
    "npy": "numpy",
    "npz": "numpy",
}
"""How file names and people call the forms; the rest are called by their own names."""
_STARTS = {b"GGUF": "gguf", b"\x89HDF\r\n\x1a\n": "hdf5", b"\x93NUMPY": "numpy"}
_ZIPS = {".npz": "numpy", ".keras": "keras", ".skops": "skops"}
_MOST_HEADER_BYTES = 100 * 1024 * 1024


def form_of(path: str, head: bytes) -> str | None:
    """Return the form of a file by its first bytes, or ``None`` for what is no weights at all.

    A pickle is not told here: it is looked for inside of other forms as well.  ONNX has no first bytes of its own: its
    name says it, and whoever looks at headers whether that is true.
    """
    # Here, because a policy's words are read by those, too, who look into no file.
    from kitops_orchestration.modelkit.packing.gate.content import WEIGHTS

    suffix = "." + path.rsplit("/", 1)[-1].rpartition(".")[2].lower()
    for start, form in _STARTS.items():
        if head.startswith(start):
            return form
    if head[4:8] == b"TFL3":
        return "tflite"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _MOST_HEADER_BYTES:
        return "safetensors"
    if head.startswith(b"PK\x03\x04"):
        return _ZIPS.get(suffix, "zip")
    if suffix == ".onnx":
        return "onnx"
    return UNKNOWN if suffix in WEIGHTS else None
