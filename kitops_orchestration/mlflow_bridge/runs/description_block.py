"""A part of a description that is ours, between two marks; every other letter is somebody else's and stays.

MLflow shows descriptions as Markdown and leaves comments out, so the marks are not seen.
"""

from __future__ import annotations

BEGIN = "<!-- kitops:begin -->"
END = "<!-- kitops:end -->"
NOTE_TAG = "mlflow.note.content"
"""Where MLflow keeps the description of a run and of a logged model."""
_GAP = "\n\n"


def with_block(text: str, block: str) -> str | None:
    """Return a description with ``block`` as its part of ours, made or replaced.

    Returns ``None`` where the marks are not one pair in order: somebody wrote over them, and nothing is changed.
    """
    ours = f"{BEGIN}\n{block}\n{END}"
    place = _place(text)
    if place is not None:
        return text[: place[0]] + ours + text[place[1] :]
    if BEGIN in text or END in text:
        return None
    return (text + _GAP if text else "") + ours


def without_block(text: str) -> str:
    """Return what people wrote: the description as it was before a part of ours came into it."""
    place = _place(text)
    if place is None:
        return text
    before = text[: place[0]]
    return before.removesuffix(_GAP) + text[place[1] :]


def _place(text: str) -> tuple[int, int] | None:
    """Return where the part of ours begins and ends; ``None`` where there is none, or not exactly one."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        return None
    start, end = text.index(BEGIN), text.index(END)
    return (start, end + len(END)) if start < end else None
