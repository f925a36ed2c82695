"""The diagrams of the documentation: drawn as they are described, for everybody, with nothing from elsewhere."""

from __future__ import annotations

import re
import tomllib
from typing import Any
from xml.etree import ElementTree

import pytest

from tools.diagrams import DESCRIPTIONS, PICTURES, ROOT, draw

DIAGRAMS: dict[str, dict[str, Any]] = tomllib.loads(DESCRIPTIONS.read_text(encoding="utf-8"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
SVG = "{http://www.w3.org/2000/svg}"
WIDEST = 420

each_diagram = pytest.mark.parametrize("name", DIAGRAMS)


def parsed(name: str) -> ElementTree.Element:
    return ElementTree.fromstring((PICTURES / f"{name}.svg").read_text(encoding="utf-8"))


def words(text: str) -> list[str]:
    return [word for it in text.split() if (word := it.strip(".,:;").lower())]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 reckons it."""

    def light(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (it / 12.92 if it <= 0.03928 else ((it + 0.055) / 1.055) ** 2.4 for it in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@each_diagram
def test_a_diagram_is_what_its_description_says(name: str) -> None:
    lies_there = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert lies_there == draw(DIAGRAMS[name]), "draw it again: python tools/diagrams.py"


@each_diagram
def test_a_diagram_has_a_title_a_description_and_every_box_and_fits_on_a_phone(name: str) -> None:
    picture, described = parsed(name), DIAGRAMS[name]
    assert (picture[0].tag, picture[1].tag) == (f"{SVG}title", f"{SVG}desc")
    assert picture[0].text == described["title"]
    assert picture[1].text == " ".join(described["desc"].split())
    shown = {text.text for text in picture.iter(f"{SVG}text")}
    named = [line for box in described["boxes"] for line in box["name"].split("\n")]
    assert named
    assert [line for line in named if line not in shown] == []
    arrows = [path for path in picture.iter(f"{SVG}path") if path.get("class") == "arrow"]
    assert len(arrows) == len(described["arrows"])
    assert float(picture.get("width", "")) <= WIDEST


@each_diagram
def test_who_cannot_see_a_diagram_is_told_every_word_of_it(name: str) -> None:
    described = DIAGRAMS[name]
    drawn = [f"{box['name']} {box.get('note', '')}" for box in described["boxes"]]
    drawn += [arrow.partition(": ")[2] for arrow in described["arrows"]]
    told = set(words(described["desc"]))
    assert [word for text in drawn for word in words(text) if word not in told | {"→"}] == []


@each_diagram
def test_a_page_shows_a_diagram_and_says_its_description_in_place_of_it(name: str) -> None:
    shown = [
        (page.name, " ".join(alt.split()))
        for page in PAGES
        for alt, where in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", page.read_text(encoding="utf-8"))
        if where.endswith(f"/{name}.svg") and (page.parent / where).is_file()
    ]
    assert shown
    assert {alt for _, alt in shown} == {" ".join(DIAGRAMS[name]["desc"].split())}


def test_each_picture_is_of_a_description_or_the_logo_and_refers_to_nothing_outside() -> None:
    pictures = sorted(PICTURES.glob("*.svg"))
    assert {picture.stem for picture in pictures} == {*DIAGRAMS, "logo"}
    for picture in pictures:
        text = picture.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        outside = re.findall(r"//|@import|@font-face|href|src=|<script|<foreignObject|<image|\bon\w+=|url\((?!#)", text)
        assert (picture.name, outside) == (picture.name, [])


def test_words_and_edges_are_told_from_their_ground_in_light_and_in_dark() -> None:
    style = next(parsed(next(iter(DIAGRAMS))).iter(f"{SVG}style")).text or ""
    light, dark = style.split("@media (prefers-color-scheme:dark)")
    for scheme in (light, dark):
        look = {
            name: dict(pair.split(":") for pair in rule.split(";"))
            for names, rule in re.findall(r"([.\w,]+)\{((?:fill|stroke):#[^}]*)\}", scheme)
            for name in names.split(",")
        }
        grounds = [look[f".{kind}"]["fill"] for kind in ("ground", "step", "store", "person")]
        for ground in grounds:
            assert contrast(look["text"]["fill"], ground) >= 7
            assert contrast(look[".small"]["fill"], ground) >= 4.5
        assert contrast(look[".arrow"]["stroke"], grounds[0]) >= 4.5
        edges = [look[f".{kind}"]["stroke"] for kind in ("step", "store", "person")]
        assert [edge for edge in edges if contrast(edge, grounds[0]) < 3] == []


@pytest.mark.parametrize(
    ("change", "label", "why"),
    [
        ({"name": "a" * 30}, "", "more words than have room"),
        ({"note": "one\ntwo\nthree"}, "", "more words than have room"),
        ({}, ": a label that is longer than the picture is", "more words than have room"),
        ({"at": [1, 1]}, "", "no straight line"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change: dict[str, Any], label: str, why: str) -> None:
    def picture(change: dict[str, Any], label: str) -> dict[str, Any]:
        boxes = [{"name": "one", "at": [0, 0]}, {"name": "two", "id": "two", "at": [0, 1], **change}]
        arrows = [f"one -> two{label}"]
        return {"title": "t", "desc": "d", "columns": [[10, 100], [120, 200]], "boxes": boxes, "arrows": arrows}

    assert "short" in draw(picture({}, ": short"))
    with pytest.raises(SystemExit, match=why):
        draw(picture(change, label))


def test_no_page_has_a_diagram_of_a_script_or_of_lines_made_of_letters() -> None:
    drawn = [
        f"{page.relative_to(ROOT)}:{number}"
        for page in PAGES
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"```mermaid|[─-╿▲-◿]", line)
    ]
    assert drawn == []
