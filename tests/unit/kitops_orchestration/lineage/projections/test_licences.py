"""Words of a licence: an expression of SPDX, or a name."""

from __future__ import annotations

import pytest

from kitops_orchestration.lineage.projections.licences import EXCEPTIONS, IDENTIFIERS, licence_of


def test_every_identifier_is_one_of_spdx() -> None:
    listed = pytest.importorskip("packaging.licenses._spdx")
    assert {name: listed.LICENSES[name]["id"] for name in IDENTIFIERS} == IDENTIFIERS
    assert {name: listed.EXCEPTIONS[name]["id"] for name in EXCEPTIONS} == EXCEPTIONS


@pytest.mark.parametrize(
    ("words", "expression"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("GPL-2.0+", "GPL-2.0+"),
        ("(MIT and (Apache-2.0 OR BSD-3-Clause))", "(MIT AND (Apache-2.0 OR BSD-3-Clause))"),
        ("LicenseRef-ours AND MIT", "LicenseRef-ours AND MIT"),
        ("Proprietary", None),
        ("GPL", None),
        ("Apache 2.0", None),
        ("MIT OR Proprietary", None),
        ("MIT OR", None),
        ("MIT)", None),
        ("(MIT", None),
        ("MIT WITH Proprietary", None),
        ("AND", None),
        ("(" * 150 + "MIT", None),
        ("MIT OR " * 10_000 + "MIT", None),
    ],
)
def test_only_known_words_are_an_expression(words: str, expression: str | None) -> None:
    found = licence_of(words)
    assert found is not None
    assert (found.words, found.expression) == (words, expression)


def test_a_name_is_made_of_a_line_and_of_nothing_longer() -> None:
    assert licence_of("") is licence_of("  ") is None
    names = [licence_of(words).custom_id for words in ("Our terms, 2026", "<script>", "a\nb", "x" * 1000, "许可")]
    assert names == ["LicenseRef-Our-terms-2026", "LicenseRef-script", None, None, None]
