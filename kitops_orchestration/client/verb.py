"""The one mechanism behind every verb of the client: what stands around a call, and what is handed over in it.

A verb is a function of the core.  The client has a method of the same name, marked with :func:`verb`, which completes
its references and calls the function.  Two things happen here and nowhere else:

- **around**: an adapter stands around each call (:data:`Around`), to translate errors, to report what was read and
  written, to open a span.  A verb that uses another one is one call, not two.
- **handed over**: what is true of the caller (limits, signer, trust, the way to open other repositories, ...) goes to
  every core function that has a parameter of that name, unless the call says otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference

Effect = Literal["reads", "writes", "moves"]
"""What a verb does with a ModelKit, for lineage: takes it out, puts it in, or brings it from here to there."""
F = TypeVar("F", bound=Callable[..., Any])
_MARK = "kitops_effect"


@dataclass(slots=True)
class VerbCall:
    """One call of a verb, as who stands around it sees it."""

    name: str
    read: Reference | None = None
    """The ModelKit that was taken out; known when the verb has returned."""
    wrote: Reference | None = None
    """The ModelKit that was put in, pinned; known when the verb has returned."""


Around = Callable[[VerbCall], AbstractContextManager[Any]]
"""Stands around a call: the context manager is left when the verb has returned, or raised."""


def verb(effect: Effect | None = None) -> Callable[[F], F]:
    """Mark a method of the client as a verb; ``effect`` says what its result's ``reference`` is."""

    def marked(method: F) -> F:
        @functools.wraps(method)
        def call(client: Any, *arguments: Any, **options: Any) -> Any:
            around = client.around
            if around is None:
                return method(client, *arguments, **options)
            inner = client.bare
            this = VerbCall(method.__name__)
            with around(this):
                result = method(inner, *arguments, **options)
                if effect in ("writes", "moves"):
                    this.wrote = result.reference
                if effect == "reads":
                    this.read = result.reference
                elif effect == "moves":
                    source = arguments[0] if arguments else options[method.__code__.co_varnames[1]]
                    this.read = inner.reference(source)
                return result

        setattr(call, _MARK, effect)
        return cast(F, call)

    return marked


def verbs_of(kind: type) -> dict[str, Callable[..., Any]]:
    """Return the verbs that a client has, by name."""
    found = {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
    return {name: method for name, method in found.items() if hasattr(method, _MARK)}


def handed_over(core: Callable[..., Any], bound: Mapping[str, Callable[[], Any]], given: Mapping[str, Any]) -> Any:
    """Return the arguments by name for ``core``: what was ``given``, else what is bound under a parameter's name.

    ``None`` that was given is given: ``signer=None`` signs nothing, whatever the client has bound.  The type is
    ``Any``, because the core's signature and the options of the client's method are held together by a test.
    """
    code = core.__code__
    wanted = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return {**{name: get() for name, get in bound.items() if name in wanted and name not in given}, **given}
