"""Options in a mapping: what is refused, and what the refusal says."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitops_orchestration.errors import OptionError
from kitops_orchestration.lineage.publish import PublishOptions
from kitops_orchestration.modelkit.pack import PackOptions
from kitops_orchestration.options import checked, fields_of


def test_options_that_the_verb_takes_pass_and_a_text_becomes_the_path_it_names() -> None:
    given = {"compression": "zstd", "exclude": ["*.bak"], "use_cache": False, "kitfile": "a/Kitfile"}

    assert checked(given, PackOptions, of="pack_options") == {**given, "kitfile": Path("a/Kitfile")}
    assert checked(None, PackOptions, of="pack_options") == {}


def test_inherited_options_are_options() -> None:
    assert {"sign", "compression"} <= set(fields_of(PublishOptions))


@pytest.mark.parametrize(
    ("given", "message", "advice"),
    [
        ({"compresion": "zstd"}, "pack_options has no 'compresion'", "did you mean compression?"),
        ({"nothing": 1}, "pack_options has no 'nothing'", "it takes annotations, attach_files"),
        ({"compression": "zip"}, "compression is 'zip', which is no 'none' or 'gzip'", "give compression"),
        ({"exclude": "*.bak"}, "exclude is '*.bak', which is no Sequence of str", "give exclude"),
        ({"use_cache": 1}, "use_cache is 1, which is no bool", "give use_cache"),
        ({"annotations": {"a": 1}}, "annotations is {'a': 1}, which is no Mapping of str, str or None", ""),
        ({"extra_tags": ["a"]}, "pack_options has 'extra_tags', which is an argument of its own", "extra_tags=..."),
        ([("a", 1)], "pack_options is no mapping but list", "names and values"),
    ],
)
def test_what_the_verb_would_refuse_is_refused_with_its_name(given: object, message: str, advice: str) -> None:
    with pytest.raises(OptionError) as refused:
        checked(given, PackOptions, of="pack_options", taken=("extra_tags",))  # type: ignore[arg-type] # a wrong one

    assert message in str(refused.value)
    assert advice in str(refused.value.advice)


def test_what_a_template_made_of_a_value_is_taken_for_the_value() -> None:
    given = {"use_cache": "False", "strict": "None", "compression": "zstd"}

    assert checked(given, PackOptions, of="o", from_text=True) == {
        "use_cache": False,
        "strict": None,
        "compression": "zstd",
    }
    with pytest.raises(OptionError, match="use_cache is 'perhaps'"):
        checked({"use_cache": "perhaps"}, PackOptions, of="o", from_text=True)


def test_what_is_not_known_yet_is_not_looked_at_but_its_name_is() -> None:
    open_values = {"compression": object()}

    assert checked(open_values, PackOptions, of="o", is_deferred=lambda value: True) == open_values
    with pytest.raises(OptionError, match="has no 'compresion'"):
        checked({"compresion": object()}, PackOptions, of="o", is_deferred=lambda value: True)
