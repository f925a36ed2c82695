"""The checks of the policy language, each a pure function of the facts.

Everything fails closed: what is missing, unsigned, unreadable or unknown makes a check red, never green.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Self

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.lineage.statements import TestResult
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.promotion.facts import Facts, kitfile_metrics, kitfile_mlflow, newest, signers
from kitops_orchestration.promotion.policy import CheckSpec
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.signed_files import choose_files
from kitops_orchestration.signing.timestamps import CLOCK_SKEW, parse_timestamp
from kitops_orchestration.signing.verify import check_signatures

if TYPE_CHECKING:
    from kitops_orchestration.signing.evidence import Evidence

NO_TRUST = "no trust policy was given, so no signature counts"
_FORMS = {"pkl": "pickle", "pickle": "pickle", "pt": "pickle", "pth": "pickle", "ckpt": "pickle"}
"""How file names and people call the forms; the rest are called by their own names."""
_SUFFIXES = {*_FORMS, "joblib", "dill"}
_TORCH = {"pytorch", "torch"}
_PICKLED = {"pickle", "cloudpickle", "dill", "joblib"}
"""Where pickle is denied, so is whatever is a pickle under another name."""


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
    roles = arguments.get("roles") or ["releaser"]
    count = max(arguments.get("count", 1), facts.threshold(predicate_types.SIGNATURE))
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
    """A verified statement of the type is there; ``builder`` narrows it, and ``result`` is that of the newest."""
    wanted = predicate_types.full_name(arguments["type"])
    result, count = arguments.get("result"), facts.threshold(wanted)
    expected = _expected_statement(arguments, count)
    if facts.trust is None:
        return False, expected, NO_TRUST, ()
    found = facts.verified(wanted)
    good = [item for item in found if item.statement and _is_by(item.statement.predicate, arguments.get("builder"))]
    said = _last_results(good) if result is not None else {}
    if good and len(signers(good)) >= count and not set(said) - {result}:
        return True, expected, f"{len(good)} found", good
    if said:
        return False, expected, f"the last result is {' and '.join(sorted(said))}", found
    if found:
        return False, expected, f"{len(found)} found, {len(good) or 'none'} fit{'' if len(good) > 1 else 's'}", found
    others = [item.reason for item in facts.evidence if item.predicate_type == wanted and not item.is_verified]
    return False, expected, _first(others, "none is attached"), found


def _expected_statement(arguments: Mapping[str, Any], count: int) -> str:
    builder, result = arguments.get("builder"), arguments.get("result")
    words = [
        f"a verified {arguments['type']} statement",
        f"by {builder}" if builder else "",
        f"with result {result}" if result else "",
        f"from {count} identities" if count > 1 else "",
    ]
    return " ".join(filter(None, words))


def _last_results(found: Sequence[Evidence]) -> dict[str, list[Evidence]]:
    """The last word of each signer: a failure is not outlived by the pass before it, or by that of somebody else."""
    said: dict[str, list[Evidence]] = {}
    for signer in signers(found):
        for item in newest([item for item in found if item.signer == signer]):
            result = item.statement.predicate.get("result") if item.statement else None
            said.setdefault(str(result), []).append(item)
    return said


def check_metric(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A metric lies within its bounds; the newest verified test result decides, else the Kitfile."""
    name = arguments["name"]
    bounds = [
        f">= {arguments['min']}" if "min" in arguments else "",
        f"<= {arguments['max']}" if "max" in arguments else "",
    ]
    expected = f"{name} {' and '.join(filter(None, bounds))}"
    values, where, evidence = metric_of(facts, name, only_attested=arguments.get("attested", False))
    if not values:
        return False, expected, where, evidence
    is_good = all(value >= Decimal(str(arguments["min"])) for value in values) if "min" in arguments else True
    is_good = is_good and ("max" not in arguments or all(value <= Decimal(str(arguments["max"])) for value in values))
    return is_good, expected, f"{name} = {_listed(values)} ({where})", evidence


def check_not_worse_than(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A metric is no worse than that of the version a stage has now; an empty stage has nothing to beat."""
    name, stage = arguments["metric"], arguments["stage"]
    tolerance, lower = Decimal(str(arguments.get("tolerance", 0))), arguments.get("lowerIsBetter", False)
    expected = f"{name} not worse than in {stage}" + (f" by more than {tolerance}" if tolerance else "")
    values, where, evidence = metric_of(facts, name)
    if not values:
        return False, expected, where, evidence
    own, repository = f"{name} = {_listed(values)}", facts.open_stage(stage)
    if repository is None:
        return False, expected, f"{own}; the repository of {stage} is not at hand", evidence
    current = resolve_or_none(repository, facts.policy.stage(stage).tag)
    if current is None:
        return True, expected, f"{own}; {stage} is empty", evidence
    if current == facts.digest:
        return True, expected, f"{own}; it is what {stage} has", evidence
    theirs = metric_of(facts.of(repository, current), name)[0]
    if not theirs:
        return False, expected, f"{own}; the version in {stage} states none", evidence
    is_good = max(values) <= min(theirs) + tolerance if lower else min(values) >= max(theirs) - tolerance
    return is_good, expected, f"{own}, {stage} has {_listed(theirs)}", evidence


def check_datasets_declared(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:  # noqa: ARG001 - takes none
    """The Kitfile or a verified provenance names the data."""
    expected = "the training data is named"
    names = [dataset.name or dataset.path for dataset in facts.kit.kitfile.datasets]
    if names:
        return True, expected, f"Kitfile: {_listed(names)}", ()
    for item in reversed(facts.agreed(predicate_types.PROVENANCE)):
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
    denied = {_FORMS.get(name.lower(), name.lower()) for name in arguments["deny"]}
    expected = f"not stored as {', '.join(sorted(denied))}"
    denied |= _PICKLED if "pickle" in denied else set()
    if facts.kit.kitfile.model is None:
        return False, expected, "the Kitfile has no model", ()
    forms = _forms_of(facts)
    if not forms:
        return False, expected, "neither model.format nor the MLflow flavour states the form", ()
    bad = sorted(forms & denied)
    return not bad, expected, _listed(bad or sorted(forms)), ()


def _forms_of(facts: Facts) -> set[str]:
    """The forms that the Kitfile states, and those that the names of the model's files give away."""
    model, mlflow = facts.kit.kitfile.model, kitfile_mlflow(facts.kit)
    paths = [] if model is None else [model.path, *(part.path for part in model.parts)]
    stated = {str(form).lower() for form in (mlflow.get("serialization_format"), model and model.format) if form}
    signed = choose_files(facts.evidence, is_trust_given=facts.trust is not None)
    names = [*paths, *(name for name in (signed.files.files if signed else ()) if _is_below(name, paths))]
    suffixes = {name.rsplit(".", 1)[-1].lower() for name in names if "." in name.rsplit("/", 1)[-1]}
    if stated & _TORCH and not {"safetensors", "onnx", "pt2"} & (suffixes | stated):
        stated.add("pickle")  # what torch.save writes
    return {_FORMS.get(form, form) for form in stated | (suffixes & _SUFFIXES)}


def _is_below(name: str, paths: Sequence[str]) -> bool:
    tops = [path.removeprefix("./").rstrip("/") for path in paths]
    return any(top in ("", ".") or name.startswith(f"{top}/") for top in tops)


def check_max_age(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A verified statement of the type is younger than so many days."""
    wanted, days = predicate_types.full_name(arguments["attestation"]), arguments["days"]
    expected = f"{arguments['attestation']} of the last {days} days"
    dated = [item for item in facts.agreed(wanted) if item.time]
    if not dated:
        return False, expected, NO_TRUST if facts.trust is None else "no verified statement says when", ()
    last = newest(dated)
    # A date in the future is a wrong clock or a lie; neither makes evidence fresh.
    young = [
        item for item in dated if _is_young(facts.moment - parse_timestamp(item.time), timedelta(days=float(days)))
    ]
    is_good = last[0] in young and len(signers(young)) >= facts.threshold(wanted)
    return is_good, expected, f"the newest is of {last[0].time}", last


def _is_young(age: timedelta, most: timedelta) -> bool:
    return -CLOCK_SKEW <= age <= most


def metric_of(
    facts: Facts, name: str, *, only_attested: bool = False
) -> tuple[tuple[Decimal, ...], str, Sequence[Evidence]]:
    """Return a metric's value, where it comes from, and the evidence; no value, and the reason, when there is none.

    The newest verified test result that states the metric decides, else the Kitfile.  There are several values
    where several are the newest: all of them have to be good.
    """
    stating = [(item, value) for item in facts.agreed(predicate_types.TEST_RESULT) for value in _stated(item, name)]
    last = newest([item for item, _ in stating])
    if last:
        return tuple(sorted({value for item, value in stating if item in last})), "verified test result", last
    if only_attested:
        return (), f"no verified test result states {name}", ()
    value = _number(kitfile_metrics(facts.kit).get(name))
    return ((value,), "Kitfile", ()) if value is not None else ((), f"no metric {name} is stated", ())


def _stated(item: Evidence, name: str) -> list[Decimal]:
    result = TestResult.from_json(item.statement.predicate if item.statement else {})
    numbers = [_number(metric.value) for metric in result.metrics if metric.name == name]
    return [number for number in numbers if number is not None]


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


def _is_by(predicate: Mapping[str, Any], builder: str | None) -> bool:
    if builder is None:
        return True
    details = predicate.get("runDetails")
    named = details.get("builder") if isinstance(details, Mapping) else None
    identity = named.get("id") if isinstance(named, Mapping) else None
    return isinstance(identity, str) and fnmatch.fnmatchcase(identity, builder)


def _dependencies(statement: Any) -> Iterable[Mapping[str, Any]]:
    definition = statement.predicate.get("buildDefinition") if statement else None
    entries = definition.get("resolvedDependencies") if isinstance(definition, Mapping) else None
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _role(entry: Mapping[str, Any]) -> Any:
    annotations = entry.get("annotations")
    return annotations.get("role") if isinstance(annotations, Mapping) else None


def _dataset_name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name") or entry.get("uri") or "unnamed")


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(str(name) for name in names if name not in (None, "")) or "nobody and nothing"
