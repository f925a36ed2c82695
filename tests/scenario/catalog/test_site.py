"""The site as a whole: every link leads somewhere, nothing leads out of it, and it is written whole or not at all."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from kitops_orchestration.catalog import addresses, environment, pages
from kitops_orchestration.catalog.publish import publish
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.testing.builders import make_context_dir
from tests.scenario.catalog.conftest import read

TEMPLATES = Path(environment.__file__).parent / "templates"


def test_every_link_leads_to_a_file_of_the_site(sample) -> None:
    for page in sample.pages():
        for tag, attributes in sample.read(page).elements:
            target = attributes.get("href") or attributes.get("src") or attributes.get("action")
            if target is None or target.startswith("#"):
                continue
            parts = urlsplit(target)
            assert (parts.scheme, parts.netloc) == ("", ""), f"{page} leads to {target}"
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
            assert (sample.site / path).is_file(), f"{page}: {tag} leads to {path}"


def test_every_page_has_the_policy_first_one_heading_and_no_style_or_handler(sample) -> None:
    for page in sample.pages():
        found = sample.read(page)
        head = [attributes for tag, attributes in found.elements if tag == "meta"]
        assert head[1] == {"http-equiv": "Content-Security-Policy", "content": environment.CONTENT_POLICY}
        assert len(found.all("h1")) == 1, page
        assert [attributes.get("src", "").rpartition("/")[2] for attributes in found.all("script")] == ["catalogue.js"]
        for tag, attributes in found.elements:
            assert not [name for name in attributes if name == "style" or name.startswith("on")], (page, tag)
            if tag == "th":
                assert attributes.get("scope") in {"col", "row"}, page
            if attributes.get("role") == "group":
                assert attributes.get("aria-label"), page


def test_what_needs_scripts_says_so_where_there_are_none(sample) -> None:
    for page in sample.pages():
        said = re.findall(r"<noscript>(.*?)</noscript>", sample.text(page), re.DOTALL)
        assert "need scripts" in said[0], page
        assert len(said) == (2 if page.endswith("compare.html") else 1), page
        if page.endswith("compare.html"):
            assert "Comparing any two versions needs scripts" in said[1]


def test_the_table_of_all_events_has_those_of_every_month(sample) -> None:
    def rows(name: str) -> list[str]:
        return sample.text(addresses.audit_csv(name)).splitlines()[1:]

    months = [path.stem for path in (sample.site / "audit").glob("*.csv") if path.stem != "all"]
    assert len(months) > 1
    assert sorted(rows("all")) == sorted(row for month in months for row in rows(month))


def test_a_model_has_licence_and_data_of_each_version(sample) -> None:
    text = sample.text(addresses.model_page("risk/fraud-score"))
    rows = [row for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL) if "Compare from" in row]
    assert len(rows) == 5
    assert all("<td>Apache-2.0</td>" in row for row in rows)
    assert all(re.search(r'href="[./]*d/[0-9a-f]{64}\.html">payments</a>', row) for row in rows)


def test_tables_for_a_phone_say_their_heads_in_each_cell(sample) -> None:
    for page in sample.pages():
        text = sample.text(page)
        for table in re.findall(r'<table class="cards.*?</table>', text, re.DOTALL):
            assert "<td>" not in table, page


def test_templates_never_switch_escaping_off() -> None:
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|Markup|style=|\son\w+=|javascript:|\s[\w-]+=\{\{", text), path.name
    script = (TEMPLATES / "catalogue.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|fetch\(\"", script)


def test_autoescape_is_on() -> None:
    assert environment._environment().autoescape is True
    assert environment._environment().from_string("{{ text }}").render(text="<b>") == "&lt;b&gt;"


def test_the_same_registry_makes_the_same_bytes(sample) -> None:
    one, two = (dict(pages.site_files(sample.catalog)) for _ in range(2))
    assert one == two


def test_a_site_is_replaced_whole(sample, tmp_path) -> None:
    folder = tmp_path / "site"
    publish(sample.catalog, folder)
    (folder / "m" / "gone.html").write_text("of the site before")
    publish(replace(sample.catalog, source="elsewhere"), folder)
    assert not (folder / "m" / "gone.html").exists()
    assert "elsewhere" in (folder / "index.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_site_that_cannot_be_made_leaves_the_one_before(sample, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "site"
    publish(sample.catalog, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.html")}
    (broken, *others) = sample.catalog.models
    release = replace(broken.releases[0], passport=None)  # a page in the middle fails
    site = replace(sample.catalog, models=(replace(broken, releases=(release, *broken.releases[1:])), *others))
    with pytest.raises(AttributeError):
        publish(site, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*.html")} == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_that_no_catalog_wrote_is_left_alone(sample, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(KitOpsError, match="no catalog wrote"):
        publish(sample.catalog, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_names_that_a_disk_keeps_for_itself_get_another(tmp_path) -> None:
    assert addresses.model_page("team/con/aux.v1") == "m/team/con~/aux.v1~/index.html"
    assert addresses.model_page("team/.git") == addresses.model_page("team/.git")
    assert ".git" not in addresses.model_page("team/.git")
    assert "<" not in addresses.model_page('team/"><script>')
    assert ".." not in addresses.model_page("../../etc")
    one, two = addresses.model_page("team/A"), addresses.model_page("team/a")
    assert one.lower() != two.lower()


def test_links_are_relative_to_their_page() -> None:
    page = addresses.version_page("team/iris", "sha256:" + "0" * 64)
    assert addresses.relative(page, "index.html") == "../../../../../index.html"
    assert addresses.relative(page, addresses.model_page("team/iris")) == "../../index.html"
    assert addresses.relative("index.html", addresses.MISSING) == "audit/index.html#missing"


def test_without_jinja_the_error_names_the_extra(sample, tmp_path, monkeypatch) -> None:
    import sys

    environment._environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    try:
        with pytest.raises(KitOpsError, match="Jinja2") as caught:
            publish(sample.catalog, tmp_path / "site")
        assert "kitops-orchestration[catalog]" in str(caught.value.advice)
        assert not (tmp_path / "site").exists()
    finally:
        environment._environment.cache_clear()


def test_a_version_that_says_no_time_is_not_said_to_be_of_utc(tmp_path) -> None:
    client = KitClient(folder_registry(tmp_path / "models"))
    client.pack(make_context_dir(tmp_path / "wine"), "wine:1.0.0")
    client.catalog(str(client.registry), into=tmp_path / "site")
    told = [read(page.read_text(encoding="utf-8")).text for page in (tmp_path / "site" / "m").rglob("*.html")]
    assert any("made no time stated" in text for text in told)
    assert not any("no time stated UTC" in text for text in told)
