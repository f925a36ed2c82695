"""KitApprovePromotionOperator: a person decides about exactly the digest that is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_kitops import results
from airflow_kitops._compat import AirflowFailException, Param, ParamsDict, TaskAwaitingInput, TaskDeferred
from airflow_kitops._errors import airflow_errors
from airflow_kitops.links import ApprovalLink
from airflow_kitops.operators.kit_operator import KitProducingOperator
from airflow_kitops.rendered import optional_text, text
from airflow_kitops.run_context import run_context

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kitops_orchestration.promotion.plan import PromotionPlan

_LONGEST_TEXT = 4000


class KitApprovePromotionOperator(KitProducingOperator, ApprovalOperator):
    """Show a person what would be promoted, wait, record the decision, and promote what was shown.

    The plan is made once.  Its digest, destination, checks and the policy's own digest travel through the wait,
    and nothing else is promoted.  Who decided comes from Airflow's server.  The decision is attached to the
    digest, signed with the connection's key, also when it is a rejection; a rejection skips what comes after.
    A red check that no approval can cure fails the task before anybody is asked.

    :param reference: reference, or the mapping that another task returned.
    :param stage: the stage.
    :param policy: file of the promotion policy.
    :param destination: another repository, or tag.
    :param role: in which role the approval counts.
    :param promote: promote right after the approval; ``False`` only records it, where more people have to agree.
    :param require_distinct_from_triggerer: who started the run may not approve it.
    :param assigned_users: only these may answer, see ``HITLOperator``; so are ``notifiers`` and ``response_timeout``.
    :return: as :class:`KitPromoteOperator`, with ``decision``, ``approver``, ``approval_digest``.
    """

    template_fields: Sequence[str] = (
        *KitProducingOperator.template_fields,
        *ApprovalOperator.template_fields,
        "reference",
        "stage",
        "policy",
        "destination",
        "role",
    )

    operator_extra_links = (*KitProducingOperator.operator_extra_links, ApprovalLink())

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        stage: str,
        policy: str,
        destination: str | Mapping[str, Any] | None = None,
        role: str | None = None,
        promote: bool = True,
        require_distinct_from_triggerer: bool = False,
        subject: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["params"] = _form(kwargs.get("params"))
        super().__init__(subject=subject or f"Promote to {stage}?", **kwargs)
        self.reference = reference
        self.stage = stage
        self.policy = policy
        self.destination = destination
        self.role = role
        self.promote = promote
        self.require_distinct_from_triggerer = require_distinct_from_triggerer

    def execute(self, context: Context) -> Any:
        """Make the plan, show it, and wait."""
        with airflow_errors():
            stage = text(self.stage, "stage")
        plan = self.hook.plan(self.reference, stage=stage, policy=self.policy, destination=self.destination)
        with airflow_errors():
            if plan.failed_checks:
                plan.require_ready()
        self.body = self.hook.review_card(plan)
        try:
            return super().execute(context)
        except (TaskAwaitingInput, TaskDeferred) as wait:
            # What is shown now is what is promoted later, by another instance on another worker.
            wait.kwargs = {**(wait.kwargs or {}), "plan": plan.to_json()}
            raise

    def execute_complete(self, context: Context, event: dict[str, Any], plan: Mapping[str, Any]) -> Any:
        """Record the decision; on an approval promote the digest of the plan."""
        from kitops_orchestration.promotion.plan import PromotionPlan

        if "error" in event:
            self.process_trigger_event_error(event)
        with airflow_errors():
            shown = PromotionPlan.from_json(plan)
        is_approved = event["chosen_options"] == [self.APPROVE]
        who = event.get("responded_by_user")
        if is_approved:
            self._check_approver(context, who)
        decision = self._decide(shown, event, is_approved=is_approved)
        if not is_approved:
            ApprovalOperator.execute_complete(self, context, event)
            return {**results.located(shown.source), **decision}
        if not self.promote:
            return {**results.located(shown.source), **decision}
        promoted = self.hook.promote(
            str(shown.source),
            stage=shown.stage,
            policy=self.policy,
            destination=str(shown.destination),
            approved_plan=shown,
            reason=_text(event, "comment"),
            run_context=run_context(context),
        )
        return self.announce(context, {**results.promoted(promoted), **decision})

    def _check_approver(self, context: Context, who: Mapping[str, str] | None) -> None:
        if who is None:
            raise AirflowFailException("nobody answered in time: a default is not an approval")
        started_by = getattr(context.get("dag_run"), "triggering_user_name", None)
        if self.require_distinct_from_triggerer and started_by in (who["id"], who["name"]):
            raise AirflowFailException(f"{started_by} started this run and may not approve it")

    def _decide(self, shown: PromotionPlan, event: Mapping[str, Any], *, is_approved: bool) -> dict[str, Any]:
        who = event.get("responded_by_user")
        attached = self.hook.decide(
            str(shown.source),
            is_approved=is_approved,
            stage=shown.stage,
            policy=self.policy,
            role=optional_text(self.role),
            approver=dict(who) if who else None,
            comment=_text(event, "comment"),
            ticket=_text(event, "ticket"),
            decided_on=event["responded_at"].isoformat(),
        )
        return {
            "decision": "approved" if is_approved else "rejected",
            "approver": who["id"] if who else None,
            "approval_digest": str(attached.descriptor.digest),
        }


def _form(given: Any) -> dict[str, Any]:
    """Return what the person may fill in; ``given`` are the DAG's and the task's own parameters."""
    form: dict[str, Any] = {
        name: Param(None, type=["null", "string"], maxLength=_LONGEST_TEXT, description=description)
        for name, description in (("comment", "Why"), ("ticket", "Ticket"))
    }
    for param in form.values():
        param.source = "task"  # parameters of the DAG are not part of the form
    known = {name: given.get_param(name) for name in given} if isinstance(given, ParamsDict) else dict(given or {})
    return {**form, **known}


def _text(event: Mapping[str, Any], name: str) -> str | None:
    # Airflow does not hold an answer against the form's schema on every path.
    value = (event.get("params_input") or {}).get(name)
    return value.strip()[:_LONGEST_TEXT] or None if isinstance(value, str) else None
