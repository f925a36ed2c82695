"""The checks of the policy language, each a pure function of the facts.

Everything fails closed: what is missing, unsigned, unreadable or unknown makes a check red, never green.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.lineage.statements import TestResult
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.promotion.facts import Facts, kitfile_metrics, kitfile_mlflow
from kitops_orchestration.promotion.policy import CheckSpec
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.timestamps import parse_timestamp
from kitops_orchestration.signing.verify import check_signatures

NO_TRUST = "no trust policy was given, so no signature counts"
_PICKLES = {"pkl": "pickle", "pickle": "pickle", "joblib": "joblib", "dill": "dill", "pt": "pickle", "pth": "pickle"}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check demanded and what it found."""

    id: str
    is_passed: bool
    expected: str
    actual: str
    evidence: tuple[str, ...] = ()
    """Digests of the statements that it rests on."""
    is_approval: bool = False
    """True for what only people can turn green."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that plans and reports carry."""
        return {
            "id": self.id,
            "passed": self.is_passed,
            "expected": self.expected,
            "actual": self.actual,
            "evidence": list(self.evidence),
            "approval": self.is_approval,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote."""
        return cls(
            str(value["id"]),
            value["passed"] is True,
            str(value["expected"]),
            str(value["actual"]),
            tuple(map(str, value.get("evidence") or ())),
            value.get("approval") is True,
        )


Outcome = tuple[bool, str, str, Sequence[Any]]
"""Passed, expected, actual, and the evidence: statements, or their digests."""


def run_check(spec: CheckSpec, facts: Facts) -> CheckResult:
    """Run one check; an error while it looks is a red check that says so."""
    from kitops_orchestration.promotion.approvals import check_approvals
    from kitops_orchestration.promotion.custom_checks import check_custom

    functions: dict[str, Callable[[Facts, Mapping[str, Any]], Outcome]] = {
        "signature": check_signature,
        "attestation": check_attestation,
        "metric": check_metric,
        "notWorseThan": check_not_worse_than,
        "datasetsDeclared": check_datasets_declared,
        "license": check_license,
        "serialization": check_serialization,
        "maxAge": check_max_age,
        "approvals": check_approvals,
        "custom": check_custom,
    }
    is_approval = spec.kind == "approvals"
    try:
        is_passed, expected, actual, evidence = functions[spec.kind](facts, spec.arguments)
    except KitOpsError as error:
        if error.transient:
            raise  # the registry is away: that is no verdict on the ModelKit
        return CheckResult(spec.id, False, "the check can be made", str(error), is_approval=is_approval)
    digests = tuple(item if isinstance(item, str) else str(item.descriptor.digest) for item in evidence)
    return CheckResult(spec.id, is_passed, expected, actual, digests, is_approval)


def check_signature(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """Enough distinct identities with one of the roles signed the digest, in cosign's new form or its old."""
    roles, count = arguments.get("roles") or ["releaser"], arguments.get("count", 1)
    expected = f"signed by {count} with role {' or '.join(roles)}"
    if facts.trust is None:
        return False, expected, NO_TRUST, ()
    found = check_signatures(facts.repository, facts.digest, trust=facts.trust, at=facts.moment).signatures
    good = [item for item in found if item.counts and facts.roles_of(item.signer) & set(roles)]
    identities = sorted({item.signer for item in good if item.signer})
    actual = (
        f"signed by {', '.join(identities)}" if identities else _first([item.reason for item in found], "not signed")
    )
    return len(identities) >= count, expected, actual, [item.digest for item in good if item.digest]


def check_attestation(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A verified statement of the type is there; ``builder`` and ``result`` narrow it."""
    wanted = predicate_types.full_name(arguments["type"])
    builder, result = arguments.get("builder"), arguments.get("result")
    limits = [f"by {builder}" if builder else "", f"with result {result}" if result else ""]
    expected = " ".join(filter(None, [f"a verified {arguments['type']} statement", *limits]))
    if facts.trust is None:
        return False, expected, NO_TRUST, ()
    found = facts.verified(wanted)
    good = [item for item in found if item.statement and _fits(item.statement.predicate, builder, result)]
    if good:
        return True, expected, f"{len(good)} found", good
    others = [item.reason for item in facts.evidence if item.predicate_type == wanted and not item.is_verified]
    reason = f"{len(found)} found, none fits" if found else others[0] if others else "none is attached"
    return False, expected, reason, found


def check_metric(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A metric lies within its bounds; the newest verified test result decides, else the Kitfile."""
    name = arguments["name"]
    bounds = [
        f">= {arguments['min']}" if "min" in arguments else "",
        f"<= {arguments['max']}" if "max" in arguments else "",
    ]
    expected = f"{name} {' and '.join(filter(None, bounds))}"
    value, where, evidence = metric_of(facts, name, only_attested=arguments.get("attested", False))
    if value is None:
        return False, expected, where, evidence
    is_good = value >= Decimal(str(arguments["min"])) if "min" in arguments else True
    is_good = is_good and (value <= Decimal(str(arguments["max"])) if "max" in arguments else True)
    return is_good, expected, f"{name} = {value} ({where})", evidence


def check_not_worse_than(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A metric is no worse than that of the version a stage has now; an empty stage has nothing to beat."""
    name, stage = arguments["metric"], arguments["stage"]
    tolerance, lower = Decimal(str(arguments.get("tolerance", 0))), arguments.get("lowerIsBetter", False)
    expected = f"{name} not worse than in {stage}" + (f" by more than {tolerance}" if tolerance else "")
    value, where, evidence = metric_of(facts, name)
    if value is None:
        return False, expected, where, evidence
    repository = facts.open_stage(stage)
    tag = facts.policy.stages[stage].tag if stage in facts.policy.stages else stage
    if repository is None or tag not in set(repository.tags()):
        return True, expected, f"{name} = {value}; {stage} is empty", evidence
    other = inspect(repository, tag)
    if other.digest == facts.digest:
        return True, expected, f"{name} = {value}; it is what {stage} has", evidence
    theirs = _number(kitfile_metrics(other).get(name))
    if theirs is None:
        return False, expected, f"{name} = {value}; the version in {stage} states none", evidence
    is_good = value <= theirs + tolerance if lower else value >= theirs - tolerance
    return is_good, expected, f"{name} = {value}, {stage} has {theirs}", evidence


def check_datasets_declared(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:  # noqa: ARG001 - takes none
    """The Kitfile or a verified provenance names the data."""
    expected = "the training data is named"
    names = [dataset.name or dataset.path for dataset in facts.kit.kitfile.datasets]
    if names:
        return True, expected, f"Kitfile: {_listed(names)}", ()
    for item in reversed(facts.verified(predicate_types.PROVENANCE)):
        declared = [_dataset_name(entry) for entry in _dependencies(item.statement) if _role(entry) == "dataset"]
        if declared:
            return True, expected, f"provenance: {_listed(declared)}", (item,)
    return False, expected, "neither the Kitfile nor a verified provenance names a dataset", ()


def check_license(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """Every licence in the Kitfile is allowed, and there is one for the model."""
    allowed, kitfile = arguments["allow"], facts.kit.kitfile
    expected = f"licence one of {', '.join(allowed)}"
    model = kitfile.model
    own = (model.license if model else None) or kitfile.package.license
    if not own:
        return False, expected, "the Kitfile states no licence for model or package", ()
    parts: list[Any] = [*(model.parts if model else ()), *kitfile.datasets, *kitfile.code]
    stated = {own, kitfile.package.license, *(part.license for part in parts)} - {None, ""}
    wrong = sorted(str(name) for name in stated if name not in allowed)
    return not wrong, expected, _listed(wrong or sorted(map(str, stated))), ()


def check_serialization(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """The model is not stored in a denied form; a form that nobody states is not good enough."""
    denied = {name.lower() for name in arguments["deny"]}
    expected = f"not stored as {', '.join(sorted(denied))}"
    model, mlflow = facts.kit.kitfile.model, kitfile_mlflow(facts.kit)
    if model is None:
        return False, expected, "the Kitfile has no model", ()
    stated = [mlflow.get("serialization_format"), model.format]
    paths = [model.path, *(part.path for part in model.parts)]
    suffixes = [_PICKLES.get(path.rsplit(".", 1)[-1].lower()) for path in paths if path and "." in path]
    forms = sorted({str(form).lower() for form in [*stated, *suffixes] if form})
    if not forms:
        return False, expected, "neither model.format nor the MLflow flavour states the form", ()
    bad = [form for form in forms if form in denied or (form == "joblib" and "pickle" in denied)]
    return not bad, expected, _listed(bad or forms), ()


def check_max_age(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A verified statement of the type is younger than so many days."""
    wanted, days = predicate_types.full_name(arguments["attestation"]), arguments["days"]
    expected = f"{arguments['attestation']} of the last {days} days"
    dated = [(item.time, item) for item in facts.verified(wanted) if item.time]
    if not dated:
        return False, expected, NO_TRUST if facts.trust is None else "no verified statement says when", ()
    time, newest = max(dated, key=lambda pair: pair[0])
    age = facts.moment - parse_timestamp(time)
    # A date in the future is a wrong clock or a lie; neither makes evidence fresh.
    is_good = timedelta(0) <= age + timedelta(minutes=5) and age <= timedelta(days=float(days))
    return is_good, expected, f"the newest is of {time}", (newest,)


def metric_of(facts: Facts, name: str, *, only_attested: bool = False) -> tuple[Decimal | None, str, Sequence[Any]]:
    """Return a metric's value, where it comes from, and the evidence; ``None`` with the reason when there is none."""
    for item in reversed(facts.verified(predicate_types.TEST_RESULT)):
        result = TestResult.from_json(item.statement.predicate if item.statement else {})
        for metric in result.metrics:
            value = _number(metric.value) if metric.name == name else None
            if value is not None:
                return value, "verified test result", (item,)
    if only_attested:
        return None, f"no verified test result states {name}", ()
    value = _number(kitfile_metrics(facts.kit).get(name))
    return value, "Kitfile" if value is not None else f"no metric {name} is stated", ()


def _first(reasons: Sequence[str], otherwise: str) -> str:
    return reasons[0] if reasons else otherwise


def _number(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _fits(predicate: Mapping[str, Any], builder: str | None, result: str | None) -> bool:
    if builder is not None:
        details = predicate.get("runDetails")
        named = details.get("builder") if isinstance(details, Mapping) else None
        identity = named.get("id") if isinstance(named, Mapping) else None
        if not isinstance(identity, str) or not fnmatch.fnmatchcase(identity, builder):
            return False
    return result is None or predicate.get("result") == result


def _dependencies(statement: Any) -> Iterable[Mapping[str, Any]]:
    definition = statement.predicate.get("buildDefinition") if statement else None
    entries = definition.get("resolvedDependencies") if isinstance(definition, Mapping) else None
    return [entry for entry in entries or () if isinstance(entry, Mapping)]


def _role(entry: Mapping[str, Any]) -> Any:
    annotations = entry.get("annotations")
    return annotations.get("role") if isinstance(annotations, Mapping) else None


def _dataset_name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name") or entry.get("uri") or "unnamed")


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(str(name) for name in names if name) or "nobody and nothing"
