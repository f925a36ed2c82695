"""What the bytes of a ModelKit's model say, where words could lie: read once for each layer and process."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from kitops_orchestration.modelkit.kitfile.rules import parent_reference

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.inspect import ModelKitLayer
    from kitops_orchestration.modelkit.pickled_files import PickledFiles
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.checks.facts import Facts

_MODEL_KINDS = ("model", "modelpart")
_SHOWN = 5


def wrong_in_model(facts: Facts, *, denied: frozenset[str], allowed: frozenset[str]) -> list[str]:
    """Return what in the layers of the model is of a denied form, or of none that is allowed where any is named.

    So is what bears a false name, or cannot be looked into.  Every byte of those layers is read, unless this process
    has read a layer of the same digest before.
    """
    told: list[str] = []
    forms: list[tuple[str, str]] = []
    model = facts.kit.kitfile.model
    if model is not None and parent_reference(model.path) is not None:
        told.append(f"the weights are those of {model.path}, which is not looked into: promote it by the same check")
    for layer in facts.kit.layers:
        if layer.kind in _MODEL_KINDS:
            place = _Place(facts.repository, layer)
            found = _found(layer.digest, place)
            place.forget()
            pickles = found.pickles if "pickle" in denied or (allowed and "pickle" not in allowed) else []
            told += [f"{name} is a pickle" for name in pickles[:_SHOWN]]
            told += [f"{name} is not what its name says: {what}" for name, what in found.false_names[:_SHOWN]]
            told += [f"{name} cannot be looked into" for name in found.unread[:_SHOWN]]
            told += [f"and {len(pickles) - _SHOWN} more pickles"] if len(pickles) > _SHOWN else []
            forms += found.forms
            forms += [(name, "pickle") for name in found.pickles]
    return [*told, *_of_wrong_form(forms, denied, allowed)]


def _of_wrong_form(forms: list[tuple[str, str]], denied: frozenset[str], allowed: frozenset[str]) -> list[str]:
    # Here, because only a policy that asks for a form pays for it.
    from kitops_orchestration.modelkit.weight_forms import UNKNOWN

    pickled = {path.partition("!")[0] for path, form in forms if form == "pickle"}
    # Of what holds a pickle the form around it says nothing more.
    other = [(path, form) for path, form in forms if path not in pickled and form != "pickle"]
    bad = [(path, form) for path, form in other if form in denied or (allowed and form not in allowed)]
    told = [f"{path} is {'of no form that is known' if form == UNKNOWN else form}" for path, form in bad[:_SHOWN]]
    if allowed and not any(form in allowed for _, form in forms):
        told.append("no file of the model is of a form that is allowed")
    return told


class _Place:
    """Where to read a layer; all places are equal, because a digest has one content."""

    def __init__(self, repository: Repository, layer: ModelKitLayer) -> None:
        self._known = [(repository, layer)]

    def find_pickles(self) -> PickledFiles:
        """Read the layer."""
        # Here, because only a policy that asks for a form pays for readers of pickles and archives.
        from kitops_orchestration.modelkit.pickled_files import find_pickles

        return find_pickles(*self._known[0])

    def forget(self) -> None:
        """Let the repository go: a cache keeps the place, and must not keep all that was read of the repository."""
        self._known.clear()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=256)
def _found(digest: str, place: _Place) -> PickledFiles:  # noqa: ARG001 - what is remembered is remembered by digest
    return place.find_pickles()
