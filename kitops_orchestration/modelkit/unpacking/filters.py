"""Filters: ``type[,type…][:value[,value…]]``, which layers of a ModelKit to take.

``model:llama`` takes what is named llama or stands at that path; values may be globs (an extension to the
Kit CLI's exact match).  Several filters are or-ed; ``model`` covers its parts.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.inspect import ModelKitLayer
from kitops_orchestration.modelkit.kitfile import Dataset
from kitops_orchestration.modelkit.kitfile.rules import clean
from kitops_orchestration.modelkit.layer_match import MissingLayer

_KINDS: dict[str, frozenset[str]] = {
    "kitfile": frozenset(),
    "model": frozenset({"model", "modelpart"}),
    "datasets": frozenset({"dataset"}),
    "code": frozenset({"code"}),
    "docs": frozenset({"docs"}),
    "prompts": frozenset({"prompt"}),
    "mcpservers": frozenset({"mcpb"}),
}
_ALIASES = {"dataset": "datasets", "doc": "docs", "prompt": "prompts", "mcpserver": "mcpservers"}
_GLOB = frozenset("*?[")


Described = ModelKitLayer | MissingLayer
"""A layer, or an entry of a Kitfile that should have one."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter: types, and values of which one has to match; no values match everything."""

    types: frozenset[str]
    values: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read one filter; raises :class:`ModelKitError` for an unknown type or a second colon."""
        types_text, colon, values_text = text.partition(":")
        types = [_ALIASES.get(item, item) for item in types_text.lower().split(",")]
        unknown = [item for item in types if item not in _KINDS]
        values = tuple(values_text.split(",")) if colon else ()
        if unknown or ":" in values_text or (colon and not all(values)):
            raise ModelKitError(
                f"not a filter: {text!r}",
                advice=f"write type[,type][:name-or-path[,...]] with types {', '.join(_KINDS)}",
            )
        return cls(frozenset(types), values)

    def takes(self, layer: Described) -> bool:
        """Tell whether a layer passes this filter."""
        if not any(layer.kind in _KINDS[item] for item in self.types):
            return False
        return self._names(layer.name, layer.path, layer.clean_path)

    def takes_dataset(self, dataset: Dataset) -> bool:
        """Tell whether a dataset passes this filter, which need not have a layer."""
        return "datasets" in self.types and self._names(dataset.name, dataset.path, clean(dataset.path))

    def _names(self, *texts: str) -> bool:
        return not self.values or any(_matches(value, texts) for value in self.values)


def parse_filters(texts: Sequence[str]) -> tuple[Filter, ...]:
    """Read filters; none means everything, and a text that stands alone is one filter, not one for each letter."""
    return tuple(map(Filter.parse, [texts] if isinstance(texts, str) else texts))


def takes_layer(filters: Sequence[Filter], layer: Described) -> bool:
    """Tell whether any filter, or the lack of filters, takes a layer."""
    return not filters or any(each.takes(layer) for each in filters)


def takes_dataset(filters: Sequence[Filter], dataset: Dataset) -> bool:
    """Tell whether any filter, or the lack of filters, takes a dataset of the Kitfile."""
    return not filters or any(each.takes_dataset(dataset) for each in filters)


def takes_kitfile(filters: Sequence[Filter]) -> bool:
    """Tell whether the Kitfile is wanted too."""
    return not filters or any("kitfile" in each.types for each in filters)


def model_only(filters: Sequence[Filter]) -> tuple[Filter, ...] | None:
    """Return what a parent ModelKit is restricted to; ``None`` when the model is not wanted at all."""
    if not filters:
        return (Filter(frozenset({"model"})),)
    wanted = tuple(Filter(frozenset({"model"}), each.values) for each in filters if "model" in each.types)
    return wanted or None


def _matches(value: str, texts: Collection[str]) -> bool:
    texts = set(texts) - {""}
    if value in texts or clean(value) in texts:
        return True
    return not _GLOB.isdisjoint(value) and any(fnmatch.fnmatchcase(text, value) for text in texts)
