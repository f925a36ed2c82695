"""What a notebook shows of a ModelKit and a diff."""

from __future__ import annotations

from dataclasses import replace

from kitops_orchestration.lineage.answers.compare import diff
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import pack

EVIL = "<script>alert(1)</script>"
KITFILE = "manifestVersion: 1.0.0\npackage: {name: iris, version: '1', license: MIT}\nmodel: {path: m.bin}\n"


def test_modelkit_shows_name_reference_and_layers(make_context, repository) -> None:
    packed = pack(make_context({"Kitfile": KITFILE, "m.bin": "m"}), repository, tag="v1")
    shown = inspect(repository, "v1")._repr_html_()
    assert "<b>iris</b>" in shown
    assert str(packed.reference) in shown
    assert "<td>model</td><td>m.bin</td>" in shown
    assert "MIT" in shown


def test_diff_shows_what_changed_and_counts_what_did_not(make_context, repository) -> None:
    docs = "docs: [{path: README.md}]\n"
    pack(make_context({"Kitfile": KITFILE + docs, "m.bin": "m", "README.md": "r"}, "old"), repository, tag="old")
    new = KITFILE.replace("'1'", "'2'") + docs
    pack(make_context({"Kitfile": new, "m.bin": "n", "README.md": "r"}, "new"), repository, tag="new")
    shown = diff(repository, "old", "new")._repr_html_()
    assert "<td>package.version</td><td>1</td><td>2</td>" in shown
    assert "<td>model</td><td>m.bin</td><td>changed</td>" in shown
    assert "<p>1 layer is the same in both.</p>" in shown
    assert "README.md" not in shown


def test_diff_of_a_modelkit_with_itself_says_none(make_context, repository) -> None:
    pack(make_context({"Kitfile": KITFILE, "m.bin": "m"}), repository, tag="v1")
    assert "<p>No difference.</p>" in diff(repository, "v1", "v1")._repr_html_()


def test_hostile_names_cannot_become_markup(make_context, repository) -> None:
    pack(make_context({"Kitfile": KITFILE, "m.bin": "m"}, "old"), repository, tag="old")
    evil = (
        f"manifestVersion: 1.0.0\npackage: {{name: '{EVIL}', version: '{EVIL}', license: '{EVIL}'}}\n"
        f"model: {{name: '{EVIL}', path: m.bin, framework: '{EVIL}'}}\n"
    )
    pack(make_context({"Kitfile": evil, "m.bin": "n"}, "new"), repository, tag="new")
    new = inspect(repository, "new")
    new = replace(new, layers=tuple(replace(layer, path=EVIL, name='"><img src=x>') for layer in new.layers))
    for shown in (new._repr_html_(), diff(repository, "old", "new")._repr_html_()):
        assert "<script" not in shown
        assert "<img" not in shown
        assert "&lt;script&gt;" in shown
    page = diff(repository, "old", "new").to_markdown()
    assert "<script" not in page
    assert "<img" not in page
