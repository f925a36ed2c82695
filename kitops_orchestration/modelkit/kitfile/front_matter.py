"""YAML between two lines of ``---`` at the top of a Markdown file: model cards and skills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kitops_orchestration.errors import KitfileError
from kitops_orchestration.modelkit.kitfile import yaml_reader
from kitops_orchestration.modelkit.kitfile.yaml_reader import Place, ValueReader

_MAX_BYTES = 1024 * 1024


def read_front_matter(path: Path) -> dict[str, Any]:
    """Return the front matter of a file; nothing for a file without one, or one that is not YAML."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return {}
    lines = text.splitlines()
    if not lines or lines[0] != "---" or "---" not in lines[1:]:
        return {}
    return read_yaml("\n".join(lines[1 : lines.index("---", 1)]), str(path))


def read_yaml(text: str, path: str) -> dict[str, Any]:
    """Return a YAML mapping, empty for anything else: what is read here is a hint, never a contract."""
    try:
        place = Place(path)
        value = ValueReader().read(yaml_reader.compose(text, place), place)
    except KitfileError:
        return {}
    return value if isinstance(value, dict) else {}


def text_field(front: dict[str, Any], key: str) -> str:
    """Return a text member; the first item where a list of texts stands; else nothing."""
    value = front.get(key)
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, str)), "")
    return value.strip() if isinstance(value, str) else ""
