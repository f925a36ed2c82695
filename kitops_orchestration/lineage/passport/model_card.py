"""The passport as a model card: Markdown with the front matter that the Hugging Face Hub reads.

The front matter says what is on record, in the Hub's words.  Data and base models are named there only where they are
the Hub's own, because it makes links of the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kitops_orchestration.presentation import markdown
from kitops_orchestration.presentation.text import printable

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts
    from kitops_orchestration.lineage.statements.dependencies import Dependency
    from kitops_orchestration.presentation.page import Page

_DATA = ("hf://datasets/", "https://huggingface.co/datasets/")
_MODELS = ("hf://models/", "hf://", "https://huggingface.co/")

_HUB_LICENCES = """
afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0
cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0
cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gemma
gfdl gpl gpl-2.0 gpl-3.0 isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 lppl-1.3c mit
mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail openrail++ osl-3.0 other pddl postgresql unknown unlicense wtfpl zlib
"""
_LICENCES = frozenset(_HUB_LICENCES.split())
"""The words that the Hub has for licences; an own one is ``other`` there, with a name."""


def model_card(passport: PassportFacts, page: Page) -> str:
    """Return front matter and the passport's page; everything that a ModelKit or a person says is text in both."""
    import yaml

    front = yaml.safe_dump(front_matter(passport), sort_keys=False, allow_unicode=True, width=1_000)
    return f"---\n{front}---\n\n{markdown.render(page)}"


def front_matter(passport: PassportFacts) -> dict[str, Any]:
    """Return the members that are known."""
    kitfile = passport.version.kit.kitfile
    found = {
        **_licence(printable(passport.licence).strip()),
        "library_name": printable(kitfile.model.framework) if kitfile.model else "",
        "tags": ["kitops"],
        "datasets": _on_the_hub([use.data for use in passport.data.data], _DATA),
        "base_model": _on_the_hub(list(passport.data.base_models), _MODELS),
        "model-index": _results(passport),
    }
    return {name: value for name, value in found.items() if value}


def _licence(words: str) -> dict[str, str]:
    """Return what the Hub calls the licence; ``other``, with its name, for one that the Hub has no word for."""
    if not words or words.lower() in _LICENCES:
        return {"license": words.lower()}
    return {"license": "other", "license_name": words}


def _on_the_hub(items: list[Dependency], addresses: tuple[str, ...]) -> list[str]:
    """Return ``owner/name`` of those that are there."""
    found = []
    for item in items:
        start = next((address for address in addresses if (item.uri or "").startswith(address)), None)
        if start is not None and item.uri:
            parts = printable(item.uri[len(start) :]).partition("@")[0].split("/")
            if len(parts) >= 2 and all(parts[:2]) and parts[0] != "datasets":
                found.append("/".join(parts[:2]))
    return sorted(set(found))


def _results(passport: PassportFacts) -> list[dict[str, Any]]:
    """Return what tests measured that count, and on which data: the Hub shows no number without a data set."""
    results = [
        {
            "task": {"type": "other"},
            "dataset": {"name": printable(metric.dataset), "type": printable(metric.dataset)},
            "metrics": [{"type": printable(metric.name), "value": printable(metric.value)}],
        }
        for test in passport.version.lineage.tests
        if test.evidence.is_verified
        for metric in test.predicate.metrics
        if metric.dataset
    ]
    return [{"name": printable(passport.name), "results": results}] if results else []
