"""A user's function, wrapped so that Dagster sees its signature plus a context and a KitOpsResource."""

# No `from __future__ import annotations`: Dagster reads the signatures that are built here.

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import dagster as dg

from dagster_kitops._compat import CONTEXT_NAMES
from dagster_kitops.resources import KitOpsResource

Produce = Callable[[dg.AssetExecutionContext, KitOpsResource, Any], Any]


class Body:
    """How to call a user's function: does it take the context, and under which name the resource."""

    def __init__(self, function: Callable[..., Any], resource_key: str) -> None:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise dg.DagsterInvalidDefinitionError(
                f"{function.__name__} has to return its content: a generator or coroutine cannot be packed; "
                "for several events use @modelkit_assets"
            )
        self.function = function
        self.resource_key = resource_key
        self.parameters = _annotated(function)
        self.takes_context = bool(self.parameters) and self.parameters[0].name in CONTEXT_NAMES
        self.takes_resource = any(parameter.name == resource_key for parameter in self.parameters)

    def call(self, context: dg.AssetExecutionContext, arguments: dict[str, Any]) -> tuple[KitOpsResource, Any]:
        """Call the function; return the resource and what the function returned."""
        kitops = arguments[self.resource_key]
        given = arguments if self.takes_resource else {k: v for k, v in arguments.items() if k != self.resource_key}
        first = (context,) if self.takes_context else ()
        return kitops, self.function(*first, **given)

    def signature(self) -> inspect.Signature:
        """The signature for Dagster: context first, the user's parameters, the resource."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        context = inspect.Parameter("context", kind, annotation=dg.AssetExecutionContext)
        own = self.parameters[1:] if self.takes_context else self.parameters
        if not self.takes_resource:
            resource = inspect.Parameter(self.resource_key, inspect.Parameter.KEYWORD_ONLY, annotation=KitOpsResource)
            own = sorted([*own, resource], key=lambda parameter: parameter.kind)  # before a ``**inputs``
        return inspect.Signature([context, *own])


def bound(body: Body, produce: Produce) -> Callable[..., Any]:
    """Return the function for a Dagster decorator: calls the body, then ``produce`` with what it returned."""

    def run(context: dg.AssetExecutionContext, **arguments: Any) -> Any:
        kitops, value = body.call(context, arguments)
        return produce(context, kitops, value)

    functools.update_wrapper(run, body.function, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    del run.__dict__["__wrapped__"]  # else inspect would look through to the body
    signature = body.signature()
    run.__signature__ = signature  # type: ignore[attr-defined] # functions have it, their type does not
    run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return run


def _annotated(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters with annotations resolved, as a module may have postponed them."""
    parameters = list(inspect.signature(function).parameters.values())
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError:
        return parameters  # a name local to a function: Dagster will say which one it cannot read
    return [parameter.replace(annotation=hints.get(parameter.name, parameter.annotation)) for parameter in parameters]


def with_resource(
    function: Callable[..., Any], context_type: type, resource_key: str, resource_type: type = KitOpsResource
) -> Callable[..., Any]:
    """Give ``function(context, **resources)`` the signature ``(context, <resource_key>: KitOpsResource)``.

    Where Dagster calls a function directly it passes resources by name, so the name has to be in the signature.
    """
    parameters = [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=context_type),
        inspect.Parameter(resource_key, inspect.Parameter.KEYWORD_ONLY, annotation=resource_type),
    ]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # functions have it, their type does not
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return function
