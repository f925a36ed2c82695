"""KitReleaseTaskGroup: an MLflow run becomes a version in a stage, with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from airflow_kitops import operators
from airflow_kitops._compat import TaskGroup
from airflow_kitops.hooks import KitOpsHook
from kitops_orchestration.errors import KitOpsError

Step: TypeAlias = "Callable[[Any], Any] | Mapping[str, Any] | None"
STEPS = ("export", "scan", "sign", "smoke_test", "approve", "promote", "record", "notify")


class KitReleaseTaskGroup(TaskGroup):
    """Export → scan → sign → smoke test → approve → promote → record → notify, each about the same digest.

    The export says which digest it is about, and every step after it gets that.  ``approve`` is there where a
    ``policy`` is given, ``record`` where a ``target``, ``notify`` where a ``notifier``.  A step is replaced by a
    function that takes what the step before returned and makes a task (an operator, or the call of a decorated
    function; where nobody waits for the result, a group or list of them), changed by a mapping of arguments for its
    operator, and left out by ``None``::

        KitReleaseTaskGroup(
            source=train(), push_to="team/wine:v1", stage="production", policy="promotion.yaml",
            steps={
                "export": lambda source: train(source),  # of @task.kit_pack
                "smoke_test": None,
                "scan": lambda reference: KubernetesPodOperator(task_id="scan", arguments=[str(reference)], ...),
                "approve": {"role": "risk", "assigned_users": [{"id": "bob", "name": "bob"}]},
            },
        )

    :param source: what to export, see :class:`KitExportRunOperator`; for a replaced ``export`` whatever it takes.
    :param push_to: reference of the ModelKit, with a tag.
    :param stage: the stage to promote to.
    :param policy: file of the promotion policy; without one nobody is asked, and nothing is checked.
    :param destination: another repository, or tag, of the stage.
    :param target: where it goes into service, see :class:`KitRecordDeploymentOperator`; the stage is its environment.
    :param notifier: who tells people, see :class:`KitOpsNotifier`.
    :param steps: name of a step to what replaces or changes it.
    :param kitops_conn_id: the ``kitops`` connection of all steps.
    """

    def __init__(
        self,
        group_id: str = "release",
        *,
        source: Any,
        push_to: str,
        stage: str,
        policy: str | None = None,
        destination: str | None = None,
        target: Mapping[str, str] | None = None,
        notifier: Any = None,
        steps: Mapping[str, Step] | None = None,
        kitops_conn_id: str = KitOpsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(group_id, **kwargs)
        given = dict(steps or {})
        unknown = sorted(set(given) - set(STEPS))
        if unknown:
            raise KitOpsError(f"{unknown[0]!r} is no step of a release", advice=f"the steps are {', '.join(STEPS)}")
        for name, value in (("approve", policy), ("record", target), ("notify", notifier)):
            if value is None:
                given.setdefault(name, None)
        promotion = {"stage": stage, "policy": policy, "destination": destination}
        with self:
            _add_steps(_Chain(given, kitops_conn_id), source, push_to, promotion, target, notifier)


class _Chain:
    """Makes the task of a step and puts it behind the one before."""

    def __init__(self, given: Mapping[str, Step], conn_id: str) -> None:
        self._given = given
        self._conn_id = conn_id
        self._last: Sequence[Any] = ()
        self._there: list[Any] = []

    def add(self, name: str, operator: str, about: Any, **arguments: Any) -> Any:
        """Put the task behind the last one, and return it; ``None`` where the step is left out."""
        given = self._given.get(name, {})
        if given is None:
            return None
        if callable(given):
            task = given(about)
        elif isinstance(given, Mapping):
            kind = getattr(operators, operator)  # a DAG file pays for the operators that it uses
            task = kind(**{"task_id": name, "kitops_conn_id": self._conn_id, **arguments, **given})
        else:
            raise KitOpsError(
                f"the step {name!r} is {type(given).__name__}",
                advice="give a function that makes a task, a mapping of arguments, or None to leave it out",
            )
        self._link(_nodes(name, task), name)
        return task

    def _link(self, nodes: Sequence[Any], name: str) -> None:
        """Put each behind each of the last ones: between two lists Airflow has no arrow, and from an empty one none."""
        tasks = [task for node in nodes for task in _tasks(node)]
        # By identity: `==` of two results of tasks is not asked for, and operators compare their arguments.
        again = next((task for task in tasks if any(task is other for other in self._there)), None)
        if again is not None:
            raise KitOpsError(
                f"the function of the step {name!r} returns {again.task_id!r}, which comes before it",
                advice="return the task that it makes, or give None to leave the step out",
            )
        for before in self._last:
            for node in nodes:
                before >> node
        self._last = nodes
        self._there += tasks

    def output(self, name: str, operator: str, about: Any, left_out: Any, **arguments: Any) -> Any:
        """Add a step as :meth:`add` does, and return what the next ones are about: ``left_out`` where it is none."""
        task = self.add(name, operator, about, **arguments)
        if task is None:
            return left_out
        if hasattr(task, "iter_references"):  # a decorated function was called: this is its result
            return task
        if not hasattr(task, "output"):
            raise _no_task(name, task, "let it make one task, whose result the next steps are about")
        return task.output


def _nodes(name: str, made: Any) -> Sequence[Any]:
    """Return what a function made as the tasks, results of tasks and groups that arrows go to."""
    several = isinstance(made, list | tuple)
    nodes = list(made) if several else [made]
    if not nodes:
        raise KitOpsError(
            f"the function of the step {name!r} makes an empty list",
            advice="return the task that it makes, or give None to leave the step out",
        )
    for node in nodes:
        if isinstance(node, type) or not (hasattr(node, "node_id") or hasattr(node, "iter_references")):
            raise _no_task(name, node, "return the task that it makes, or a group or list of tasks", several)
    return nodes


def _tasks(node: Any) -> Iterator[Any]:
    """Yield the operators of a task, of the result of one, or of a group."""
    if hasattr(node, "iter_references"):
        yield from (operator for operator, _ in node.iter_references())
    elif hasattr(node, "iter_tasks"):
        yield from node.iter_tasks()
    else:
        yield node


def _no_task(name: str, made: Any, advice: str, is_in_list: bool = False) -> KitOpsError:
    listed = "a list with " if is_in_list else ""
    return KitOpsError(f"the function of the step {name!r} makes {listed}{type(made).__name__}", advice=advice)


def _add_steps(
    chain: _Chain,
    source: Any,
    push_to: str,
    promotion: Mapping[str, Any],
    target: Mapping[str, str] | None,
    notifier: Any,
) -> None:
    packed = chain.output("export", "KitExportRunOperator", source, push_to, source=source, push_to=push_to)
    chain.add("scan", "KitScanOperator", packed, reference=packed)
    chain.add("sign", "KitSignOperator", packed, reference=packed)
    chain.add("smoke_test", "KitSmokeTestOperator", packed, reference=packed)
    # It records the decision; the promotion is the step of that name.
    chain.add("approve", "KitApprovePromotionOperator", packed, reference=packed, promote=False, **promotion)
    now = chain.output("promote", "KitPromoteOperator", packed, packed, reference=packed, **promotion)
    place = {"environment": promotion["stage"], "target": target}
    chain.add("record", "KitRecordDeploymentOperator", now, reference=now, **place)
    chain.add("notify", "KitNotifyOperator", now, reference=now, notifier=notifier)
