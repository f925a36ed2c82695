"""What a file is by its name, as ``kit init`` decides it."""

from __future__ import annotations

from typing import Literal

FileType = Literal["model", "dataset", "docs", "metadata", "prompt", "mcpb", "unknown"]

_PROMPT_NAMES = ("agents.md", "skill.md", "claude.md")
_MODEL = (
    *(".safetensors", ".pkl", ".joblib", ".bin", ".pth", ".pt", ".mar", ".pt2", ".ptl", ".pb", ".ckpt", ".tflite"),
    *(".tfrecords", ".npy", ".npz", ".keras", ".h5", ".caffemodel", ".pmml", ".coreml", ".gguf", ".ggml", ".ggmf"),
    *(".llamafile", ".onnx"),
)
_METADATA = (".json", ".yaml", ".xml", ".txt")
_DOCS = (".md", ".adoc", ".html", ".pdf")
_DATASET = (".tar", ".zip", ".parquet", ".csv")
_FORMATS = {
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".ggml": "ggml",
    ".onnx": "onnx",
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".pt2": "pytorch",
    ".bin": "pytorch",
    ".ckpt": "checkpoint",
    ".pb": "tensorflow",
    ".tflite": "tflite",
    ".keras": "keras",
    ".h5": "hdf5",
    ".pkl": "pickle",
    ".joblib": "joblib",
    ".pmml": "pmml",
}


def type_of(name: str) -> FileType:
    """Return what a file is; suffixes count as they are written, prompt names in any case."""
    base = name.rpartition("/")[2]
    if base.lower() in _PROMPT_NAMES or ".prompt" in base.lower():
        return "prompt"
    if base.endswith(".mcpb"):
        return "mcpb"
    known: tuple[tuple[FileType, tuple[str, ...]], ...] = (
        ("model", _MODEL),
        ("metadata", _METADATA),
        ("docs", _DOCS),
        ("dataset", _DATASET),
    )
    return next((kind for kind, suffixes in known if base.endswith(suffixes)), "unknown")


def format_of(name: str) -> str:
    """Return the weight format that a model file's suffix names, or nothing."""
    return next((form for suffix, form in _FORMATS.items() if name.endswith(suffix)), "")
