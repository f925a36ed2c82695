from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from kitops_orchestration.lineage.answers.tag_order import natural_order
from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.passport.picture import draw
from kitops_orchestration.lineage.passport.statements import statements
from kitops_orchestration.lineage.passport.verdicts import verdicts
from kitops_orchestration.signing import TrustPolicy, generate_key_pair
from kitops_orchestration.signing.predicate_types import APPROVAL
from kitops_orchestration.signing.trust import Rule

LATER = datetime(2026, 6, 1, tzinfo=UTC)
LAYER = re.compile(r"application/vnd\.kitops\.modelkit\.(?!config)")


class Reader(HTMLParser):
    """Checks that tags are closed in their order, and collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


@pytest.fixture
def page(story):
    return passport(story.repository, "4.0", trust=story.trust, open_base=story.open_base, at=LATER)


def test_a_passport_gathers_what_is_on_record(page, story) -> None:
    assert (page.name, page.version_name, page.licence) == ("churn", "4.0", "Apache-2.0")
    assert page.verdict.is_verified
    assert page.metrics == {"accuracy": "0.967", "roc_auc": "0.970"}
    assert [item.tag for item in page.history] == ["1.0", "2.0", "3.0", "4.0"]
    assert [item.target.cluster for item in page.running] == ["eu-1", "us-1"]
    assert [kind for kind in story.repository.fetched if LAYER.match(kind)] == []


def test_a_passport_is_json(page) -> None:
    value = json.loads(json.dumps(page.to_json()))

    assert value["trainingData"]["isComplete"]
    assert value["signOffs"]["environments"]["production"]["isApproved"]
    assert len(value["signedFiles"]) == 4


def test_a_sign_off_names_who_approved_and_a_number_only_where_somebody_asks_for_one(page, story) -> None:
    def told(trust) -> str:
        shown = passport(story.repository, "4.0", trust=trust, at=LATER)
        return next(item.detail for item in verdicts(shown).items if item.label == "Sign-off")

    assert told(story.trust) == "for production, by Ada Lovelace, Ben Bitdiddle; the trust policy asks for 2"
    without = replace(story.trust, rules={})  # nobody in particular is asked
    assert told(without) == "for production, by Ada Lovelace, Ben Bitdiddle"
    three = replace(story.trust, rules={APPROVAL: Rule(frozenset({"approver"}), 3)})
    assert told(three) == "for production, by Ada Lovelace, Ben Bitdiddle; the trust policy asks for 3"
    assert "of 1" not in passport(story.repository, "4.0", trust=without, at=LATER).to_html()


def test_a_passport_is_a_page_of_markdown(page) -> None:
    text = page.to_markdown()

    assert text.startswith("# churn 4.0\n")
    assert "| 4.0 | 0.967 | 0.970 |" in text
    assert "Ben Bitdiddle" in text


@pytest.fixture
def with_metrics(tmp_path):
    """Return a repository with a ModelKit whose Kitfile holds the export's metrics, in no order."""
    from kitops_orchestration.modelkit.pack import pack
    from kitops_orchestration.oci.layout import LayoutRepository
    from kitops_orchestration.oci.reference import Reference, folder_registry

    metrics = "{roc_auc: 0.5, accuracy: 0.9777777777777777, rows: 123456789, tiny: 0.00001234567}"
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "Kitfile").write_text(
        f"manifestVersion: 1.0.0\nmodel:\n  path: m.bin\n  parameters: {{mlflow: {{metrics: {metrics}}}}}\n"
    )
    (tmp_path / "m" / "m.bin").write_bytes(b"m")
    repository = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path)}/team/iris"))
    pack(tmp_path / "m", repository, tag="v1")
    return repository


@pytest.mark.parametrize("max_history", [0, 5])
def test_every_metric_stands_under_its_name_also_without_history(with_metrics, max_history) -> None:
    text = passport(with_metrics, "v1", max_history=max_history).to_markdown()

    assert "| version | accuracy | roc_auc | rows | tiny |" in text
    assert "| v1 | 0.9777777777777777 | 0.5 | 123456789 | 1.234567e-05 |" in text


def test_a_version_older_than_the_history_is_in_the_table_all_the_same(story) -> None:
    text = passport(story.repository, "1.0", trust=story.trust, max_history=2, at=LATER).to_markdown()

    assert [line.split(" | ")[0] for line in text.splitlines() if re.match(r"\| \d\.0 \|", line)][:3] == [
        "| 3.0",
        "| 4.0",
        "| 1.0",
    ]


def test_the_page_shows_as_many_digits_as_people_read(with_metrics) -> None:
    html = passport(with_metrics, "v1").to_html()

    assert '<div class="value" title="0.9777777777777777">0.9778</div>' in html
    assert ">123,456,789</div>" in html
    assert ">1.235e-05</div>" in html
    assert ">0.5</div>" in html


def test_a_passport_is_one_html_file_that_needs_nothing_else(page) -> None:
    html = page.to_html()
    reader = read(html)

    assert "Approved" in " ".join(reader.text)
    assert not {"script", "img", "link", "a", "iframe"} & set(reader.tags)
    assert "url(" not in html
    assert html == page.to_html()


def test_a_notebook_shows_the_passport_without_a_style_sheet(page) -> None:
    shown = page._repr_html_()

    read(shown)
    assert "<th>accuracy</th>" in shown
    assert "<td>4.0</td><td>0.967</td>" in shown
    assert "<th>Signature</th><td>Verified</td>" in shown
    assert "style" not in shown


def test_annex_iv_says_what_evidence_fills_and_what_needs_text(page) -> None:
    points = {point.number: point for point in page.annex_iv}

    assert [points[number].status for number in range(1, 10)] == [
        "partly",
        "partly",
        "text needed",
        "partly",
        "text needed",
        "filled",
        "text needed",
        "text needed",
        "partly",
    ]
    assert "accuracy 0.967 (wanted >= 0.945)" in points[4].facts


def test_without_a_trust_policy_the_page_says_that_nothing_was_checked(story) -> None:
    page = passport(story.repository, "4.0", at=LATER)

    assert page.verdict is None
    assert "no trust policy was given" in page.to_html()
    assert "Approved" not in page.to_html()


def test_a_rejected_version_says_so(story) -> None:
    page = passport(story.repository, "1.0", trust=story.trust, at=LATER)

    assert "Rejected" in page.to_html()
    assert "Not signed" in page.to_html()
    assert page.running == ()


def test_a_modelkit_with_nothing_but_itself_has_a_page(story, tmp_path) -> None:
    from kitops_orchestration.modelkit.pack import pack
    from kitops_orchestration.oci.layout import LayoutRepository
    from kitops_orchestration.oci.reference import Reference, folder_registry

    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: m.bin}\n")
    (tmp_path / "m" / "m.bin").write_bytes(b"m")
    repository = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path)}/team/bare"))
    pack(tmp_path / "m", repository, tag="v1")

    page = passport(repository, "v1", trust=story.trust)

    read(page.to_html())
    assert page.to_markdown().startswith("# bare v1\n")
    assert json.dumps(page.to_cyclonedx())


def test_text_from_the_registry_cannot_become_markup(tmp_path, story) -> None:
    from kitops_orchestration.lineage.statements import Approval
    from kitops_orchestration.lineage.statements.attach import attach
    from kitops_orchestration.modelkit.pack import pack
    from kitops_orchestration.oci.layout import LayoutRepository
    from kitops_orchestration.oci.reference import Reference, folder_registry

    evil = "<script>alert(1)</script>"
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "Kitfile").write_text(
        f"manifestVersion: 1.0.0\npackage: {{name: evil, description: '{evil}', authors: ['{evil}']}}\n"
        f"model: {{path: m.bin, framework: '{evil}'}}\n"
    )
    (tmp_path / "m" / "m.bin").write_bytes(b"m")
    repository = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path)}/team/evil"))
    pack(tmp_path / "m", repository, tag="v1")
    attach(repository, "v1", Approval("REJECTED", evil, comment=f"{evil}|x\n# head"))

    page = passport(repository, "v1")

    assert "script" not in read(page.to_html()).tags
    assert "<script>" not in page.to_markdown()
    assert "\n# head" not in page.to_markdown()
    assert "<script" not in page._repr_html_()
    assert "&lt;script&gt;" in page._repr_html_()


def test_versions_sort_as_people_count() -> None:
    assert sorted(["v10", "latest", "v9", "v9.10", "v9.9"], key=natural_order) == [
        "latest",
        "v9",
        "v9.9",
        "v9.10",
        "v10",
    ]


def test_what_does_not_count_is_told_in_one_place_and_nothing_contradicts_it(story, tmp_path) -> None:
    key = generate_key_pair(key_format="pkcs8").public_key.pem
    policy = {"version": 1, "identities": [{"id": "stranger", "roles": ["builder"], "keys": [{"publicKey": key}]}]}
    path = tmp_path / "trust.yaml"
    path.write_text(json.dumps(policy))
    page = passport(story.repository, "4.0", trust=TrustPolicy.load(path), at=LATER)
    said = statements(page)
    assert page.version.lineage.provenance is None
    assert {item.kind for item in said} >= {"signature", "provenance", "test"}
    assert not any(item.counts for item in said)
    assert len({item.evidence.descriptor.digest for item in said}) == len(said)
    text = "".join(read(page.to_html()).text)
    assert "No provenance is on record" not in text
    assert re.search(r"\d provenance (is|are) on record, and not counted", text)
    for item in said:
        assert item.evidence.reason in text


def test_a_line_of_the_picture_is_one_that_a_statement_says(page) -> None:
    """Who vouches for a version is not where it went: no line joins these two columns."""
    drawn = draw(page)
    joined = [float(start) for start in re.findall(r'class="edge" d="M([\d.]+) ', drawn)]
    boxes = [float(x) for x in re.findall(r'class="card" x="([\d.]+)"', drawn)]
    places = max(boxes)
    vouchers = max(x for x in boxes if x < places)
    assert joined
    assert not [start for start in joined if start > vouchers]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_words_of_a_verdict_can_be_read_in_light_and_dark(page) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    style = page.to_html().partition("<style>")[2].partition("</style>")[0]
    roots = re.findall(r":root{(.*?)}", style, re.DOTALL)[:2]
    light, dark = (dict(re.findall(r"--([\w-]+):(#[0-9a-f]{6})", part)) for part in roots)
    pairs = [("good", "good-soft"), ("warn", "warn-soft"), ("bad", "bad-soft"), ("soft", "ground")]
    for colours in (light, {**light, **dark}):
        for name, ground in pairs:
            one, two = sorted((_luminance(colours[name]), _luminance(colours[ground])), reverse=True)
            assert (one + 0.05) / (two + 0.05) >= 4.5, (name, ground)
