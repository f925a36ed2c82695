"""KitApprovePromotionOperator: a person decides about exactly the digest that is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_kitops import results
from airflow_kitops._compat import AirflowFailException, Param, ParamsDict, TaskAwaitingInput, TaskDeferred
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitProducingOperator
from airflow_kitops.policy import optional_policy, read_policy
from airflow_kitops.rendered import optional_text, text
from airflow_kitops.run_context import run_context
from airflow_kitops.ui.links import ApprovalLink
from kitops_orchestration.presentation import markdown

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kitops_orchestration.presentation.page import Page
    from kitops_orchestration.promotion.plan import PromotionPlan

_LONGEST_TEXT = 4000
_OWN_FIELDS = {
    "comment": "Why. It goes on record with the decision.",
    "ticket": "Its number or address. It goes on record, too.",
}
_OF_CARD = "For the model's card. It goes on record with an approval."
BODY_LEVEL = 3
"""Of the card's heading: it stands below the question, which is a heading itself."""


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
    :param mlflow_alias: after a promotion, as for :class:`KitPromoteOperator`.
    :param mlflow_conn_id: as for :class:`KitPromoteOperator`.
    :param card_sections: sections of the card that the form asks for (``intended-use``, …). What the person writes is
        attached on an approval, signed with the connection's key; a check ``cardComplete`` may be red until then.
    :param require_distinct_from_triggerer: who started the run may not approve it.
    :param subject: the question that is asked; default: made from the stage.
    :param assigned_users: only these may answer, see ``HITLOperator``; so are ``notifiers`` and ``response_timeout``.
    :return: what ``kitctl approve --json`` or ``kitctl reject --json`` prints (``statement``), with ``repository``,
        ``tag``, ``decision`` and ``approver``; after a promotion also what :class:`KitPromoteOperator` returns.
    """

    template_fields: Sequence[str] = (
        *KitProducingOperator.template_fields,
        *ApprovalOperator.template_fields,
        "reference",
        "stage",
        "policy",
        "destination",
        "role",
        "mlflow_alias",
        "mlflow_conn_id",
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
        mlflow_alias: str | bool = False,
        mlflow_conn_id: str | None = None,
        card_sections: Sequence[str] = (),
        require_distinct_from_triggerer: bool = False,
        subject: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["params"] = _form(kwargs.get("params"), card_sections)
        super().__init__(subject=subject or f"Promote to {stage}?", **kwargs)
        self.reference = reference
        self.stage = stage
        self.policy = policy
        self.destination = destination
        self.role = role
        self.promote = promote
        self.mlflow_alias = mlflow_alias
        self.mlflow_conn_id = mlflow_conn_id
        self.card_sections = tuple(card_sections)
        self.card: Page | None = None
        self.require_distinct_from_triggerer = require_distinct_from_triggerer

    def execute(self, context: Context) -> Any:
        """Make the plan, show it, and wait."""
        with airflow_errors():
            stage = text(self.stage, "stage")
        plan = self.hook.client.plan(
            self.reference, stage=stage, policy=optional_policy(self.policy), destination=self.destination or None
        )
        with airflow_errors():
            plan.require_askable(self.card_sections)
        self.card = self.hook.client.review(plan, card_sections=self.card_sections).page()
        self.body = markdown.render(self.card, level=BODY_LEVEL)
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
            self._write_card(shown, event)
        decision = self._decide(shown, event, is_approved=is_approved)
        if not is_approved:
            ApprovalOperator.execute_complete(self, context, event)
            return decision
        if not self.promote:
            return decision
        promoted = self.hook.client.promote(
            str(shown.source),
            stage=shown.stage,
            policy=optional_policy(self.policy),
            destination=str(shown.destination),
            approved_plan=shown,
            reason=_text(event, "comment"),
            run_context=run_context(context),
        )
        alias = self.follow_alias(promoted, self.mlflow_alias, optional_text(self.mlflow_conn_id))
        return self.announce(context, {**decision, **results.promoted(promoted, alias)})

    def _check_approver(self, context: Context, who: Mapping[str, str] | None) -> None:
        if who is None:
            raise AirflowFailException("nobody answered in time: a default is not an approval")
        started_by = getattr(context.get("dag_run"), "triggering_user_name", None)
        if self.require_distinct_from_triggerer and started_by in (who["id"], who["name"]):
            raise AirflowFailException(f"{started_by} started this run and may not approve it")

    def _write_card(self, shown: PromotionPlan, event: Mapping[str, Any]) -> None:
        """Attach what the person wrote before the decision: what cannot be attached leaves nothing decided."""
        if not self.card_sections:
            return
        from kitops_orchestration.lineage.statements.card import card_of

        given, who = event.get("params_input") or {}, event.get("responded_by_user")
        with airflow_errors():
            card = card_of(
                {name: given.get(name) for name in self.card_sections},
                author=dict(who) if who else None,
                created_on=event["responded_at"].isoformat(),
            )
        if card is not None:
            self.hook.client.attest(str(shown.source), "card", card.to_json())

    def _decide(self, shown: PromotionPlan, event: Mapping[str, Any], *, is_approved: bool) -> dict[str, Any]:
        who = event.get("responded_by_user")
        client = self.hook.client
        attached = (client.approve if is_approved else client.reject)(
            str(shown.source),
            stage=shown.stage,
            policy=read_policy(self.policy),
            role=optional_text(self.role),
            approver=dict(who) if who else None,
            comment=_text(event, "comment"),
            ticket=_text(event, "ticket"),
            decided_on=event["responded_at"].isoformat(),
        )
        return {
            **results.attached(shown.source, attached),
            "decision": "approved" if is_approved else "rejected",
            "approver": who["id"] if who else None,
        }


def _form(given: Any, card_sections: Sequence[str]) -> dict[str, Any]:
    """Return what the person may fill in; ``given`` are the DAG's and the task's own parameters."""
    form: dict[str, Any] = {
        name: Param(
            None, type=["null", "string"], maxLength=_LONGEST_TEXT, title=name.capitalize(), description=description
        )
        for name, description in _OWN_FIELDS.items()
    }
    if card_sections:  # who asks for none, does not pay for it where the DAG is parsed
        from kitops_orchestration.lineage.statements.card import MAX_LETTERS, section_titles

        with airflow_errors():
            titles = section_titles(card_sections)
        for name, title in titles.items():
            # No section: Airflow's form shows the whole review again below the name of each.
            form[name] = Param(
                None,
                type=["null", "string"],
                format="multiline",
                maxLength=MAX_LETTERS,
                title=title,
                description=_OF_CARD,
            )
    for param in form.values():
        param.source = "task"  # parameters of the DAG are not part of the form
    known = {name: given.get_param(name) for name in given} if isinstance(given, ParamsDict) else dict(given or {})
    return {**form, **known}


def _text(event: Mapping[str, Any], name: str) -> str | None:
    # Airflow does not hold an answer against the form's schema on every path.
    value = (event.get("params_input") or {}).get(name)
    return value.strip()[:_LONGEST_TEXT] or None if isinstance(value, str) else None
