"""Draw the diagrams of the documentation: a part of ``make pictures`` that needs no other program.

    python tools/diagrams.py    # writes docs/pictures/NAME.svg of every [NAME] in tools/diagrams.toml

A box lies in cells of a grid and may reach over several.  An arrow is a straight line, so its two boxes lie above or
beside each other.  Each picture has a ground of its own and can be read wherever it is put; where a reader prefers
dark, it is dark.  Nothing is fetched: letters are those of the reader's system.  One description gives the same bytes.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
DESCRIPTIONS = ROOT / "tools" / "diagrams.toml"
PICTURES = ROOT / "docs" / "pictures"
_MARGIN, _BEHIND, _ROUND = 10, 5, 7
_NAME, _SMALL, _LINE = 15, 13, 1.2
_WIDE = 0.58  # of the size: what a letter takes in DejaVu Sans, which is wider than the letters of most systems
_LIGHT = """.ground{fill:#fff;stroke:#c8d0d8}text{fill:#16202b}.small,.head{fill:#44505c}.arrow{stroke:#44505c}
.step{fill:#e9f4f3;stroke:#0b6560}.store{fill:#fdf3dc;stroke:#8a5a00}.person{fill:#eef0fb;stroke:#4a55a8}"""
_DARK = """.ground{fill:#1b1f27;stroke:#3d4652}text{fill:#f0f3f6}.small,.head{fill:#bcc6d0}.arrow{stroke:#bcc6d0}
.step{fill:#143836;stroke:#5cc0b8}.store{fill:#3a2f14;stroke:#e0b050}.person{fill:#262b4d;stroke:#a3adf2}"""
_HEAD = f"""<style>
text{{font-family:system-ui,sans-serif;font-size:{_NAME}px}}.small{{font-size:{_SMALL}px}}.arrow{{stroke-width:1.5}}
{_LIGHT}
@media (prefers-color-scheme:dark){{{_DARK}}}
</style>
<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
<path class="head" d="M0 0 10 5 0 10z"/></marker>"""
_Spot = tuple[float, float, float, float]


def draw(picture: dict[str, Any]) -> str:
    """Return a picture as SVG, from its description."""
    columns, high, gap = picture["columns"], picture.get("height", 40), picture.get("gap", 26)
    spots: dict[str, _Spot] = {}
    parts: list[str] = []
    for box in picture["boxes"]:
        (left, top), (right, bottom) = box["at"], box.get("to", box["at"])
        y0, y1 = _MARGIN + top * (high + gap), _MARGIN + bottom * (high + gap) + high
        spot = spots[box.get("id", box["name"].replace("\n", " "))] = (columns[left][0], y0, columns[right][1], y1)
        parts += [*_shape(box.get("is", "step"), *spot), *_words(box, *spot)]
    width, height = (max(spot[side] for spot in spots.values()) + _MARGIN for side in (2, 3))
    parts += [part for arrow in picture["arrows"] for part in _arrow(arrow, spots, width)]
    size = f'width="{width}" height="{height}"'
    told = [f"<{tag}>{escape(' '.join(picture[tag].split()))}</{tag}>" for tag in ("title", "desc")]
    ground = f'<rect class="ground" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="{_ROUND}"/>'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}" role="img">'
    return "\n".join([start, *told, _HEAD, ground, *parts, "</svg>\n"])


def _shape(kind: str, x0: float, y0: float, x1: float, y1: float) -> list[str]:
    if kind == "store":
        side, half = y0 + _BEHIND, (x1 - x0) / 2
        under = f"M{x0} {side}V{y1 - _BEHIND}a{half:g} {_BEHIND} 0 0 0 {x1 - x0} 0V{side}"
        lid = f'<ellipse class="store" cx="{x0 + half:g}" cy="{side}" rx="{half:g}" ry="{_BEHIND}"/>'
        return [f'<path class="store" d="{under}"/>', lid]
    off = _BEHIND if kind == "several" else 0
    look, corner = ("person", 20) if kind == "person" else ("step", _ROUND)
    size = f'width="{x1 - x0 - off}" height="{y1 - y0 - off}" rx="{corner}"'
    return [f'<rect class="{look}" x="{x0 + by}" y="{y0 + by}" {size}/>' for by in sorted({off, 0}, reverse=True)]


def _words(box: dict[str, Any], x0: float, y0: float, x1: float, y1: float) -> list[str]:
    lines = [(line, _NAME) for line in box["name"].split("\n")]
    lines += [(line, _SMALL) for line in box.get("note", "").split("\n") if line]
    high = sum(size * _LINE for _, size in lines)
    off = {"several": -_BEHIND, "store": _BEHIND}.get(box.get("is", ""), 0)
    if high > y1 - y0 - abs(off) or any(len(line) * size * _WIDE > x1 - x0 for line, size in lines):
        raise SystemExit(f"more words than have room: {box['name']!r}")
    y, words = (y0 + y1 + off - high) / 2, []
    for line, size in lines:
        y += size * _LINE
        words.append(_text(line, (x0 + x1 + min(off, 0)) / 2, y - size * 0.3, "middle", is_small=size == _SMALL))
    return words


def _text(line: str, x: float, y: float, anchor: str, *, is_small: bool) -> str:
    look = 'class="small" ' if is_small else ""
    return f'<text {look}x="{x:g}" y="{y:.1f}" text-anchor="{anchor}">{escape(line)}</text>'


def _arrow(told: str, spots: dict[str, _Spot], width: float) -> list[str]:
    ends, _, label = told.partition(": ")
    sign = next(sign for sign in (" <-> ", " ..> ", " -> ") if sign in ends)
    one, two = (spots[name] for name in ends.split(sign))
    x0, x1, y0, y1 = max(one[0], two[0]), min(one[2], two[2]), max(one[1], two[1]), min(one[3], two[3])
    lines, apart = label.split("\n"), _SMALL * _LINE
    if x0 < x1:
        x, (y0, y1) = (x0 + x1) / 2, (one[3], two[1]) if one[3] < two[1] else (one[1], two[3])
        wide = 8 + max(map(len, lines)) * _SMALL * _WIDE
        is_left = x + wide > width
        if is_left and wide > x:
            raise SystemExit(f"more words than have room: {told!r}")
        line, at, anchor = f"M{x:g} {y0}V{y1}", x - 8 if is_left else x + 8, "end" if is_left else "start"
        top = (y0 + y1 - len(lines) * apart) / 2
    elif y0 < y1:
        y, (x0, x1) = (y0 + y1) / 2, (one[2], two[0]) if one[2] < two[0] else (one[0], two[2])
        line, at, anchor, top = f"M{x0} {y:g}H{x1}", (x0 + x1) / 2, "middle", y - 4 - len(lines) * apart
    else:
        raise SystemExit(f"no straight line: {told}")
    look = {" <-> ": ' marker-start="url(#head)"', " ..> ": ' stroke-dasharray="5 4"'}.get(sign, "")
    words = [_text(line, at, top + (n + 0.8) * apart, anchor, is_small=True) for n, line in enumerate(lines) if line]
    return [f'<path class="arrow" d="{line}"{look} marker-end="url(#head)"/>', *words]


if __name__ == "__main__":
    for name, picture in tomllib.loads(DESCRIPTIONS.read_text(encoding="utf-8")).items():
        (PICTURES / f"{name}.svg").write_text(draw(picture), encoding="utf-8")
        print(f"docs/pictures/{name}.svg", file=sys.stderr)
