"""Nothing that a ModelKit or a statement says becomes markup, a link out of the site, a file elsewhere or a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from kitops_orchestration.catalog.words import MAX_TEXT, csv_cell
from kitops_orchestration.presentation.text import CONTROLS
from tests.scenario.catalog.hostile import ATTACKS, CANARY, fill

_ELEMENTS = (
    "html head meta title link script body svg symbol circle path rect polyline polygon line text use"
    " p header main footer section div span nav ul ol li dl dt dd h1 h2 h3 a b i small time code pre br noscript"
    " form input button label select option table caption thead tbody tr th td"
)
ELEMENTS = frozenset(_ELEMENTS.split())


@pytest.fixture(scope="module")
def evil(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("evil")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITOPS_ORCHESTRATION_CACHE", str(folder / "cache"))
        client = fill(folder)
        client.catalog(str(client.registry), into=folder / "site")
    return folder / "site"


def test_no_text_becomes_markup(evil, read_page) -> None:
    pages = list(evil.rglob("*.html"))
    assert len(pages) > 20
    for path in pages:
        found = read_page(path.read_text(encoding="utf-8"))
        for tag, attributes in found.elements:
            assert tag in ELEMENTS, (path.name, tag)
            assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc")]
            for name in ("href", "src", "action"):
                target = attributes.get(name) or ""
                assert re.fullmatch(r"[\w~%./#-]*(\?a=sha256:[0-9a-f]{64}&b=sha256:[0-9a-f]{64})?", target), target
        assert [item.get("src") is not None for item in found.all("script")] == [True]
        assert [item.get("http-equiv") for item in found.all("meta") if "http-equiv" in item] == [
            "Content-Security-Policy"
        ]


def test_what_was_said_is_there_as_text(evil, read_page) -> None:
    """The test above could pass on empty pages."""
    texts = [read_page(path.read_text(encoding="utf-8")).text for path in evil.rglob("-/v/*.html")]
    for attack in ATTACKS[:9]:
        assert any(" ".join(attack.split()) in text for text in texts), attack


def test_no_control_or_bidi_letter_is_left(evil) -> None:
    hidden = {chr(code) for code in CONTROLS} - {"\n", "\r"}
    for path in evil.rglob("*"):
        if path.is_file() and path.suffix in (".html", ".js", ".csv"):
            assert not hidden & set(path.read_bytes().decode()), path.name


def test_giant_texts_are_cut(evil) -> None:
    for path in evil.rglob("*.html"):
        assert path.stat().st_size < 40 * MAX_TEXT, path


def test_data_for_the_script_is_json_that_cannot_end_its_script(evil) -> None:
    scripts = [evil / "search-index.js", *evil.rglob("-/v/*.js")]
    assert len(scripts) == 3
    for path in scripts:
        text = path.read_text(encoding="ascii")
        assert not set("<>&") & set(text), path
        call = re.fullmatch(r'catalogue\.(?:index\((.*)\)|version\("sha256:[0-9a-f]{64}",(.*)\));\n', text, re.DOTALL)
        assert call, path
        json.loads(call[1] or call[2])


def test_files_are_inside_and_named_by_digests_and_checked_names(evil) -> None:
    for path in evil.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9._~/-]+", path.relative_to(evil).as_posix()), path


def test_no_cell_of_a_table_is_a_formula(evil) -> None:
    tables = list(evil.rglob("*.csv"))
    assert len(tables) >= 2
    for path in tables:
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            for cell in row:
                assert not re.match(r"[=+@\t]|-\D", cell), cell
    assert csv_cell("=1+1") == "'=1+1"
    assert csv_cell(-0.5) == "-0.5"


@pytest.mark.parametrize("sign", "=+-@")
@pytest.mark.parametrize("before", ["\t", "\n", "\r", " ", " \n\t", "\u00a0", "\u200b", "\ufeff", "\0"])
def test_what_stands_before_a_sign_makes_no_formula_of_it(before, sign) -> None:
    assert csv_cell(f"{before}{sign}1").startswith("'")
    assert csv_cell(f"a{before}{sign}1").startswith("a")


def test_a_folder_with_the_name_of_no_repository_hides_no_other(evil) -> None:
    """Its name would be an attack; it is not listed, and what stands beside it is."""
    assert (evil.parent / "registry" / '"><img src=x onerror=alert(1)>' / "oci-layout").is_file()
    assert (evil / "m" / "evil" / "kit" / "index.html").is_file()


def test_a_script_of_the_corpus_would_run(evil) -> None:
    """What the browser's test looks for is in the corpus."""
    assert all(CANARY in attack for attack in ATTACKS[:6])
