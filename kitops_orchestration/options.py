"""Options that come as a mapping, checked against the types of the verb that takes them.

A verb's options are a ``TypedDict`` beside it, and mypy checks whoever calls the verb.  Whoever gives options in a
mapping (an Airflow operator's ``pack_options``, an asset's, a component's YAML) has no mypy between them and the verb:
:func:`checked` says the same when the definition is read, instead of when its task runs.

    >>> from typing import TypedDict
    >>> class Options(TypedDict, total=False):
    ...     compression: Literal["none", "zstd"]
    >>> checked({"compression": "zstd"}, Options, of="pack_options")
    {'compression': 'zstd'}
    >>> checked({"compresion": "zstd"}, Options, of="pack_options")
    Traceback (most recent call last):
    kitops_orchestration.errors.OptionError: pack_options has no 'compresion'
"""

from __future__ import annotations

import collections.abc
import sys
import types
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from kitops_orchestration.errors import OptionError

__all__ = ["checked", "fields_of"]


class _Unknown:
    """Stands for a type that its module imports for type checkers alone: any value may be one."""

    def __class_getitem__(cls, item: Any) -> type[_Unknown]:
        return cls


class _Names(dict[str, Any]):
    """The names of a module, and :class:`_Unknown` for those that it does not have when it runs."""

    def __missing__(self, name: str) -> Any:
        builtins: Any = __builtins__
        known = builtins if isinstance(builtins, dict) else vars(builtins)
        return known.get(name, _Unknown)


def fields_of(kind: type) -> dict[str, Any]:
    """Return the options of a ``TypedDict`` with their types; a type that is not imported at run time is ``Any``."""
    return {name: _type_of(hint, kind.__module__) for name, hint in kind.__annotations__.items()}


def _type_of(hint: Any, module: str) -> Any:
    """Return the type that an annotation's text names in the module of its class."""
    text = getattr(hint, "__forward_arg__", hint)
    if not isinstance(text, str):
        return hint
    home = getattr(hint, "__forward_module__", None) or module
    return eval(text, {}, _Names(vars(sys.modules[home])))  # noqa: S307 - an annotation of our own code


def checked(
    options: Mapping[str, Any] | None,
    kind: type,
    *,
    of: str,
    taken: Collection[str] = (),
    is_deferred: Callable[[Any], bool] | None = None,
    from_text: bool = False,
) -> dict[str, Any]:
    """Return the options as a verb takes them; a text becomes the path that its option is.

    Args:
        options: what was given; ``None`` is none.
        kind: the ``TypedDict`` of the verb.
        of: who was given them, for the message: ``pack_options of the task 'train'``.
        taken: options that whoever takes the mapping gives to the verb itself.
        is_deferred: tells which values are not known yet (a template): they are not looked at.
        from_text: a text may stand for what it spells, ``"true"`` or ``"3"``, because a template made it.

    Raises:
        OptionError: no such option (close ones are named), one that is taken, or a value of another type.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise OptionError(f"{of} is no mapping but {type(options).__name__}", advice="give names and values")
    known = fields_of(kind)
    return {
        name: value
        if is_deferred is not None and is_deferred(value)
        else _value(name, value, known[name], of, from_text=from_text)
        for name, value in options.items()
        if _is_an_option(name, known, of, taken)
    }


def _is_an_option(name: Any, known: Mapping[str, Any], of: str, taken: Collection[str]) -> bool:
    if name in taken:
        raise OptionError(f"{of} has {name!r}, which is an argument of its own", advice=f"give {name}=... beside it")
    if name in known:
        return True
    import difflib

    free = sorted(set(known) - set(taken))
    close = difflib.get_close_matches(str(name), free, n=3, cutoff=0.6)
    advice = f"did you mean {' or '.join(close)}?" if close else f"it takes {', '.join(free)}"
    raise OptionError(f"{of} has no {name!r}", advice=advice)


def _value(name: str, value: Any, hint: Any, of: str, *, from_text: bool) -> Any:
    if from_text and isinstance(value, str) and not _fits(value, hint):
        value = _spelt(value, hint)
    if isinstance(value, str) and not _fits(value, hint) and _fits(Path(value), hint):
        return Path(value)
    if _fits(value, hint):
        return value
    raise OptionError(
        f"{of}: {name} is {_shown(value)}, which is no {_words(hint)}", advice=f"give {name} a {_words(hint)}"
    )


def _spelt(text: str, hint: Any) -> Any:
    """Return what a text spells, where the option is a truth value, a number or nothing."""
    words: dict[str, Any] = {"true": True, "false": False, "none": None}
    candidates: list[Any] = [words[text.strip().lower()]] if text.strip().lower() in words else []
    for kind in (int, float):
        try:
            candidates.append(kind(text))
        except ValueError:
            continue
    return next((value for value in candidates if _fits(value, hint)), text)


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (Any, _Unknown):
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if origin is not None:
        return _fits_generic(value, origin, arguments)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if getattr(hint, "_is_protocol", False) or not isinstance(hint, type):
        return True  # what a protocol asks for is seen when it is used
    return isinstance(value, hint)


def _fits_generic(value: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if origin is collections.abc.Callable:
        return callable(value)
    if not isinstance(value, origin) or isinstance(value, (str, bytes)):
        return False  # a text is a sequence of letters, which nobody means
    if isinstance(value, Mapping):
        return all(_fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items())
    return all(_fits(item, arguments[0]) for item in value) if arguments else True


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _words(hint: Any) -> str:
    """Return a type as people read it."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join("None" if each is type(None) else _words(each) for each in arguments)
    if get_origin(hint) is Literal:
        return " or ".join(repr(each) for each in arguments)
    if get_origin(hint) is not None:
        inside = ", ".join(_words(each) for each in arguments if each is not ...)
        return f"{get_origin(hint).__name__} of {inside}" if inside else str(get_origin(hint).__name__)
    return str(getattr(hint, "__name__", hint))
