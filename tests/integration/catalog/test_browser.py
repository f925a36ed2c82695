"""The catalog in Chromium, from a disk: nothing of a hostile registry runs, and search, keys and comparison do.

A page runs for some seconds of its own time, and what it is by then is read.  To press keys, a copy of a page gets one
more script of the site's own folder, which is all that its content policy allows.
"""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kitops_orchestration.catalog import addresses, environment
from tests.scenario.catalog import nearly
from tests.scenario.catalog.conftest import read
from tests.scenario.catalog.hostile import ATTACKS, CANARY, fill


class Browser:
    def __init__(self, program: str, home: Path) -> None:
        self._command = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--virtual-time-budget=4000",
            f"--user-data-dir={home}",
        ]

    def open(self, page: Path, query: str = "") -> tuple[str, list[str]]:
        """Return what the page became, and what the browser had to say about it."""
        command = [*self._command, "--window-size=1200,900", "--dump-dom", page.as_uri() + query]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
        said = done.stderr.decode("utf-8", "replace").splitlines()
        return done.stdout.decode(), [line for line in said if "CONSOLE" in line]


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Browser:
    program = shutil.which("chromium")
    if program is None:
        message = "chromium is not installed (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return Browser(program, tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def evil(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("evil")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITOPS_ORCHESTRATION_CACHE", str(folder / "cache"))
        client = fill(folder)
        client.catalog(str(client.registry), into=folder / "site")
    return folder / "site"


def with_script(page: Path, text: str) -> Path:
    """A copy of a page beside it, which loads one more script of the site."""
    name = page.with_suffix("").name
    (page.parent / f"{name}-drive.js").write_text(text, encoding="utf-8")
    copy = page.parent / f"{name}-driven.html"
    tag = f'<script src="{name}-drive.js" defer></script></head>'
    copy.write_text(page.read_text(encoding="utf-8").replace("</head>", tag), encoding="utf-8")
    return copy


def test_the_canary_sings_where_nothing_protects(browser, tmp_path) -> None:
    """Without escaping and without a policy the same texts do run: the tests below can fail."""
    page = tmp_path / "open.html"
    page.write_text(f"<!doctype html><html><body>{ATTACKS[0]}</body></html>", encoding="utf-8")
    assert f'{CANARY}="ran"' in browser.open(page)[0]
    page.write_text(f"<!doctype html><html><body>{ATTACKS[1]}</body></html>", encoding="utf-8")
    assert f'{CANARY}="ran"' in browser.open(page)[0]


def test_the_policy_alone_stops_what_escaping_would_let_through(browser, tmp_path) -> None:
    page = tmp_path / "policy.html"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{environment.CONTENT_POLICY}">'
    page.write_text(f"<!doctype html><html><head>{policy}</head><body>{' '.join(ATTACKS[:7])}</body></html>", "utf-8")
    shown, said = browser.open(page)
    assert CANARY not in re.findall(r"<html[^>]*>", shown)[0]
    assert said  # it says what it refused


def test_nothing_of_a_hostile_registry_runs(browser, evil) -> None:
    pages = [evil / "index.html", evil / "d" / "index.html", evil / "audit" / "index.html", evil / "p" / "index.html"]
    model = evil / "m" / "evil" / "kit"
    versions = sorted((model / "-" / "v").glob("*.html"))
    pages += [model / "index.html", *versions, *sorted((evil / "d").glob("*.html"))[:3]]
    for page in pages:
        shown, said = browser.open(page)
        assert CANARY not in re.findall(r"<html[^>]*>", shown)[0], page
        assert said == [], page
        assert not re.search(r"<(?:img|iframe|base|object|embed)\b", shown), page


def test_search_and_comparison_show_hostile_facts_as_text(browser, evil) -> None:
    model = evil / "m" / "evil" / "kit"
    one, two = (path.stem.replace("-", ":", 1) for path in sorted((model / "-" / "v").glob("*.html")))
    shown, said = browser.open(model / "-" / "compare.html", f"?a={one}&b={two}")
    assert (CANARY in re.findall(r"<html[^>]*>", shown)[0], said) == (False, [])
    assert "<h2>Kitfile</h2>" in shown
    driven = with_script(evil / "index.html", _TYPE.replace("WORDS", "script"))
    shown, said = browser.open(driven)
    assert (CANARY in re.findall(r"<html[^>]*>", shown)[0], said) == (False, [])
    assert "&lt;script&gt;" in re.findall(r'<div class="hits".*?</div>', shown, re.DOTALL)[0]


_TYPE = """
document.addEventListener("keydown", function (event) { if (event.key === "F9") report(); });
function report() { document.title = "focus " + document.activeElement.tagName; }
function press(key) { document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: key, bubbles: true})); }
press("/");
var box = document.activeElement;
box.value = "WORDS";
box.dispatchEvent(new Event("input", {bubbles: true}));
setTimeout(function () { press("ArrowDown"); press("F9"); }, 1500);
"""


def hits(shown: str) -> list[str]:
    block = re.findall(r'<div class="hits".*?</div>', shown, re.DOTALL)[0]
    return re.findall(r"<b>(.*?)</b>", block)


@pytest.mark.parametrize(
    ("words", "first"),
    [("churn", "risk/churn-risk"), ("payments", "payments"), ("ana", "Ana Pereira"), ("apache", "Apache-2.0")],
)
def test_search_finds_models_data_people_and_licences_by_keyboard(browser, sample, words, first) -> None:
    driven = with_script(sample.site / "index.html", _TYPE.replace("WORDS", words))
    shown, said = browser.open(driven)
    assert said == []
    assert first in hits(shown)
    assert "<title>focus A</title>" in shown  # the arrow went from the field to the first result


@pytest.mark.parametrize(
    "words", ["{digest:.19}", "{name}@{digest}", *(f"piece {start}" for start in (7, 17, 23, 30, 57))]
)
def test_search_finds_any_piece_of_a_digest_and_a_whole_one(browser, sample, words) -> None:
    model, release = sample.catalog.models[1], sample.catalog.models[1].releases[2]
    page = sample.site / addresses.version_page(model.name, release.digest)
    at = int(words.removeprefix("piece ")) if words.startswith("piece") else 0
    asked = release.digest[at : at + 14] if at else words.format(name=model.name, digest=release.digest)
    driven = with_script(page, _TYPE.replace("WORDS", asked))
    shown, _ = browser.open(driven)
    assert hits(shown) == [f"{sample.catalog.models[1].name} {release.name}"]
    link = re.findall(r'<div class="hits".*?href="(.*?)"', shown, re.DOTALL)[0]
    assert (driven.parent / link).resolve() == page.resolve()


def test_any_two_versions_are_compared_from_a_disk(browser, sample) -> None:
    model = sample.catalog.models[0]
    one, two = model.releases[0], model.releases[3]
    page = sample.site / addresses.compare_page(model.name)
    shown, said = browser.open(page, f"?a={one.digest}&b={two.digest}")
    assert said == []
    told = sample.client.diff(f"{model.name}@{one.digest}", f"{model.name}@{two.digest}", trust=sample.trust)
    text = read(shown).text
    for item in told.metrics:
        assert f"{item.name} {item.left} {item.right}" in text
    assert f"{one.name} → {two.name}" in text


def test_a_version_that_is_not_here_is_said(browser, sample) -> None:
    page = sample.site / addresses.compare_page(sample.catalog.models[0].name)
    digest = "sha256:" + "0" * 64
    shown, _ = browser.open(page, f"?a={digest}&b={digest}")
    assert f"There is no version {digest} here." in shown
    shown, _ = browser.open(page, "?a=../../evil&b=x")
    assert "Choose two versions" in shown


_MEASURE = """
setTimeout(function () {
  parent.postMessage("width " + document.documentElement.scrollWidth + " " + innerWidth, "*");
}, 500);
"""


def framed(page: Path, width: int) -> Path:
    """A page that shows another one at this width: the browser's own window is never narrower than 500."""
    frame = page.with_name(f"{page.stem}-framed.html")
    frame.write_text(
        f'<!doctype html><iframe width="{width}" height="900" frameborder="0" src="{page.name}"></iframe>'
        '<script>addEventListener("message", function (event) { document.title = event.data; });</script>',
        encoding="utf-8",
    )
    return frame


_BETWEEN = pytest.mark.soak("a width between those of a phone and of a desk, which are looked at by axe as well")


@pytest.mark.parametrize("width", [390, pytest.param(680, marks=_BETWEEN), pytest.param(1024, marks=_BETWEEN)])
def test_no_page_scrolls_sideways(browser, sample, width) -> None:
    model = sample.catalog.models[1]
    pages = [
        "index.html",
        addresses.model_page(model.name),
        addresses.version_page(model.name, model.releases[-1].digest),
        addresses.data_page(sample.catalog.data_sets()[0].identity),
        "audit/index.html",
    ]
    for page in pages:
        shown, _ = browser.open(framed(with_script(sample.site / page, _MEASURE), width))
        needed, room = map(int, re.findall(r"<title>width (\d+) (\d+)</title>", shown)[0])
        assert room == width
        assert needed <= room, f"{page} is {needed} wide at {room}"


@pytest.mark.parametrize("version", ["1.3.0", "m-f8bc103829df488989cf8df23734f4d6"])
def test_a_passport_fits_a_phone_and_nothing_on_it_scrolls(browser, sample, tmp_path, version) -> None:
    told = sample.client.passport("risk/churn-risk:1.3.0", trust=sample.trust)
    page = tmp_path / "passport.html"
    measure = """
    const parts = [...document.querySelectorAll(".sheet, .scroll, .drawing")];
    const wide = parts.filter(item => item.scrollWidth > item.clientWidth);
    const needed = document.documentElement.scrollWidth;
    parent.postMessage("wide " + wide.length + " of " + innerWidth + " needs " + needed, "*");
    """
    heading = '<span class="version">{}</span>'
    assert heading.format("1.3.0") in told.to_html()
    content = told.to_html().replace(heading.format("1.3.0"), heading.format(version))  # as of a model from MLflow
    page.write_text(content.replace("</body>", f"<script>{measure}</script></body>"), encoding="utf-8")
    shown, _ = browser.open(framed(page, 390))
    wide, needed = map(int, re.findall(r"<title>wide (\d+) of 390 needs (\d+)</title>", shown)[0])
    assert (wide, needed <= 390) == (0, True)


def month_of_decisions(sample) -> str:
    """Return the month in which the sample was made, and decided about: its other events are of long before."""
    (*_, newest) = sorted(path.stem for path in (sample.site / "audit").glob("2*.csv"))
    return newest


def test_the_filter_of_the_audit_leaves_what_has_all_words(browser, sample) -> None:
    month = month_of_decisions(sample)
    type_words = (
        'var box = document.getElementById("filter"); box.value = "approval jonas";'
        ' box.dispatchEvent(new Event("input", {bubbles: true}));'
    )
    shown, _ = browser.open(with_script(sample.site / addresses.audit_page(month), type_words))
    rows = re.findall(r"<tr[^>]*?( hidden=\"\")?><th scope=\"row\">.*?</tr>", shown, re.DOTALL)
    left = int(re.findall(r'id="left" role="status">(\d+) event', shown)[0])
    assert 0 < left == rows.count("") < len(rows)


def test_the_audit_is_filtered_by_event_trust_and_days_and_what_is_left_is_a_table(browser, sample) -> None:
    month = month_of_decisions(sample)
    script = """
    addEventListener("load", function () {
      function set(name, value) {
        var box = document.getElementById("filter" + name); box.value = value;
        box.dispatchEvent(new Event("input", {bubbles: true}));
        return document.querySelectorAll("#events tbody tr:not([hidden])").length;
      }
      var told = [set("-kind", "approval"), set("-kind", "")];
      told.push(set("-trust", "Does not count"), set("-from", "2999-01-01"));
      set("-from", ""); set("-until", "2026-01-01"); told.push(document.getElementById("left").textContent);
      set("-until", ""); set("-trust", ""); set("-kind", "approval");
      var made = null; URL.createObjectURL = function (blob) { made = blob; return "#made"; };
      HTMLAnchorElement.prototype.click = function () { told.push(this.download); };
      document.getElementById("filter-csv").click();
      made.text().then(function (text) {
        told.push(text.split("\\r\\n").length - 2, text.split("\\r\\n")[0]);
        document.title = JSON.stringify(told);
      });
    });
    """
    shown, said = browser.open(with_script(sample.site / addresses.audit_page(month), script.replace("\\\\", "\\")))
    assert said == []
    found = json.loads(html.unescape(re.findall(r"<title>(.*?)</title>", shown)[0]))
    rows = list(csv.DictReader(io.StringIO(sample.text(addresses.audit_csv(month)))))
    approvals = sum(row["event"] == "approval" for row in rows)
    left_out = sum(row["counts"] == "Does not count" for row in rows)
    assert 0 < approvals < len(rows)
    assert 0 < left_out < len(rows)
    assert found[:4] == [approvals, len(rows), left_out, 0]
    assert found[4:7] == ["0 events", f"audit-{month}.csv", approvals]
    assert found[7] == '"When (UTC)","Event","Of","What","By","Trust"'


def test_what_differs_behind_what_is_shown_is_called_different(browser, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    client, (one, two) = nearly.fill(tmp_path)
    client.catalog(str(client.registry), into=tmp_path / "site")
    shown, said = browser.open(tmp_path / "site" / addresses.compare_page("wine"), f"?a={one}&b={two}")
    assert said == []
    text = read(shown).text
    for kind, same in (("Metrics", len(nearly.SAME)), ("Parameters", len(nearly.SAME) + 1)):  # and one item of a list
        assert f"{kind} that are the same in both: {same}." in text
        (table,) = re.findall(rf"<caption>{kind}</caption>.*?</table>", shown, re.DOTALL)
        rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', table)
        assert {name.partition("[")[0] for name, _, _ in rows} == nearly.DIFFERENT.keys()
        assert all(left != right for _, left, right in rows)
        assert ("rounded", "0.91231", "0.91234") in rows
        assert ("large", str(2**53), str(2**53 + 1)) in rows
