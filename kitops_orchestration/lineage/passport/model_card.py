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


def model_card(passport: PassportFacts, page: Page) -> str:
    """Return front matter and the passport's page; everything that a ModelKit or a person says is text in both."""
    import yaml

    front = yaml.safe_dump(front_matter(passport), sort_keys=False, allow_unicode=True, width=1_000)
    return f"---\n{front}---\n\n{markdown.render(page)}"


def front_matter(passport: PassportFacts) -> dict[str, Any]:
    """Return the members that are known."""
    kitfile = passport.version.kit.kitfile
    found = {
        "license": printable(passport.licence).lower(),
        "library_name": printable(kitfile.model.framework) if kitfile.model else "",
        "tags": ["kitops"],
        "datasets": _on_the_hub([use.data for use in passport.data.data], _DATA),
        "base_model": _on_the_hub(list(passport.data.base_models), _MODELS),
        "model-index": _results(passport),
    }
    return {name: value for name, value in found.items() if value}


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
