"""The error tree is drawn in the docstring of ``errors``; this holds the drawing and the code together."""

from __future__ import annotations

import inspect
import pickle
import re
from dataclasses import dataclass

import pytest

from kitops_orchestration import errors

NODE = re.compile(
    r"^ {4}(?P<indent>[│ ]*)(?:[├└]── )?(?P<name>[A-Z]\w+Error)"
    r"(?: \((?P<also>\w+)\))?(?P<facts>(?: +(?:transient|\.\w+))*)$"
)


@dataclass(frozen=True)
class Drawn:
    name: str
    parent: str | None
    also: str | None
    is_transient: bool
    fields: tuple[str, ...]


def drawn_tree() -> list[Drawn]:
    nodes: list[Drawn] = []
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = NODE.match(line)
        if not found:
            continue
        depth = len(found["indent"]) // 4 + ("── " in line)
        path[depth:] = [found["name"]]
        facts = found["facts"].split()
        nodes.append(
            Drawn(
                name=found["name"],
                parent=path[depth - 1] if depth else None,
                also=found["also"],
                is_transient="transient" in facts,
                fields=tuple(fact[1:] for fact in facts if fact.startswith(".")),
            )
        )
    return nodes


DRAWN = {node.name: node for node in drawn_tree()}
CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.KitOpsError)
}


def example(error_class: type[errors.KitOpsError]) -> errors.KitOpsError:
    options = {"extra": "mlflow"} if error_class is errors.MissingExtraError else {"advice": "try this"}
    return error_class("what failed on registry.example/team/iris", **options)


every_class = pytest.mark.parametrize("error_class", CLASSES.values(), ids=CLASSES.keys())


def test_the_drawing_holds_every_class_and_no_other() -> None:
    assert set(DRAWN) == set(CLASSES)


@every_class
def test_a_class_hangs_where_it_is_drawn(error_class: type[errors.KitOpsError]) -> None:
    drawn = DRAWN[error_class.__name__]
    bases = [base.__name__ for base in error_class.__bases__]
    assert bases[0] == (drawn.parent or "Exception")
    assert bases[1:] == ([drawn.also] if drawn.also else [])


@every_class
def test_only_what_is_drawn_as_transient_may_succeed_later(error_class: type[errors.KitOpsError]) -> None:
    assert error_class.transient is DRAWN[error_class.__name__].is_transient


@every_class
def test_an_error_has_the_fields_that_are_drawn(error_class: type[errors.KitOpsError]) -> None:
    assert [name for name in DRAWN[error_class.__name__].fields if not hasattr(example(error_class), name)] == []


@every_class
def test_an_error_says_what_failed_and_what_to_do(error_class: type[errors.KitOpsError]) -> None:
    error = example(error_class)
    assert str(error) == "what failed on registry.example/team/iris"
    assert error.advice


@every_class
def test_an_error_survives_the_way_to_another_process(error_class: type[errors.KitOpsError]) -> None:
    error = example(error_class)
    restored = pickle.loads(pickle.dumps(error))
    assert type(restored) is error_class
    assert str(restored) == str(error)
    assert vars(restored) == vars(error)
