"""The checks of the policy language, each a pure function of the facts.

Everything fails closed: what is missing, unsigned, unreadable or unknown makes a check red, never green.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from kitops_orchestration.errors import KitOpsError, PromotionError
from kitops_orchestration.lineage.statements import TestResult
from kitops_orchestration.promotion.checks.facts import Facts, kitfile_mlflow, newest, signers
from kitops_orchestration.promotion.checks.kitfile_metrics import as_number, kitfile_metric
from kitops_orchestration.promotion.checks.model_bytes import wrong_in_model
from kitops_orchestration.promotion.rules.policy import CheckSpec
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.signed_files import choose_files
from kitops_orchestration.signing.verify import check_signatures

if TYPE_CHECKING:
    from datetime import datetime

    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.evidence import Evidence
    from kitops_orchestration.signing.verify import SignatureReport

NO_TRUST = "no trust policy was given, so no signature counts"
_SUFFIXES = {"pkl", "pickle", "pt", "pth", "ckpt", "joblib", "dill"}
_TORCH = {"pytorch", "torch"}
_PICKLED = frozenset({"pickle", "cloudpickle", "dill", "joblib"})
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
    from kitops_orchestration.promotion.checks.approvals import check_approvals
    from kitops_orchestration.promotion.checks.card_check import check_card_complete
    from kitops_orchestration.promotion.checks.custom import check_custom
    from kitops_orchestration.promotion.checks.gate_check import check_secrets_scanned

    functions: dict[str, Callable[[Facts, Mapping[str, Any]], Outcome]] = {
        "signature": check_signature,
        "attestation": check_attestation,
        "metric": check_metric,
        "notWorseThan": check_not_worse_than,
        "datasetsDeclared": check_datasets_declared,
        "license": check_license,
        "serialization": check_serialization,
        "maxAge": check_max_age,
        "secretsScanned": check_secrets_scanned,
        "cardComplete": check_card_complete,
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
    told = [f"signed by {', '.join(identities)}"] if identities else []
    told += [f"a signature is there, and not counted: {_why(item, roles)}" for item in found if item not in good]
    actual = "; ".join(dict.fromkeys(told)) or "not signed"
    return len(identities) >= count, expected, actual, [item.digest for item in good if item.digest]


def _why(item: SignatureReport, roles: Sequence[str]) -> str:
    return f"{item.signer} has no role {' or '.join(roles)}" if item.counts else item.reason


def check_attestation(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A verified statement of the type is there; ``builder`` narrows it, and ``result`` is that of the newest."""
    wanted = predicate_types.full_name(arguments["type"])
    result, count = arguments.get("result"), facts.threshold(wanted)
    expected = _expected_statement(arguments, count)
    if facts.trust is None:
        return False, expected, NO_TRUST, ()
    found = facts.verified(wanted)
    good = [item for item in found if item.statement and _is_by(item.statement.predicate, arguments.get("builder"))]
    said = _last_results(good, facts.moment) if result is not None else {}
    if good and len(signers(good)) >= count and not set(said) - {result}:
        return True, expected, f"{len(good)} found", good
    if said:
        return False, expected, f"the last result is {' and '.join(sorted(said))}", found
    if found:
        told = f"{len(found)} found, {len(good) or 'none'} fit{'' if len(good) > 1 else 's'}"
        if good:
            told += f", by {', '.join(sorted(signers(good)))}; {count} identities are needed"
        return False, expected, "; ".join([told, *_not_counted(facts, wanted)]), found
    others = [item.reason for item in facts.evidence if item.predicate_type == wanted and not item.is_verified]
    return False, expected, "; ".join(dict.fromkeys(others)) or "none is attached", found


def _expected_statement(arguments: Mapping[str, Any], count: int) -> str:
    builder, result = arguments.get("builder"), arguments.get("result")
    words = [
        f"a verified {arguments['type']} statement",
        f"by {builder}" if builder else "",
        f"with result {result}" if result else "",
        f"from {count} identities" if count > 1 else "",
    ]
    return " ".join(filter(None, words))


def _last_results(found: Sequence[Evidence], moment: datetime) -> dict[str, list[Evidence]]:
    """The last word of each signer: a failure is not outlived by the pass before it, or by that of somebody else."""
    said: dict[str, list[Evidence]] = {}
    for signer in signers(found):
        for item in _last_words([item for item in found if item.signer == signer], moment):
            said.setdefault(str(_result(item)), []).append(item)
    return said


def _last_words(own: Sequence[Evidence], moment: datetime) -> list[Evidence]:
    """One signer's results that nothing of theirs takes the place of: by name where they name, else the newest.

    A failure that names what it takes the place of comes from a client that names: only a name ends it.
    """
    named = {name for item in own for name in _supersedes(item)}
    left = [item for item in own if item.descriptor.digest not in named]
    failures = [item for item in left if _supersedes(item) and _result(item) == "FAILED"]
    return [*failures, *(item for item in newest(left, moment) if item not in failures)]


def _supersedes(item: Evidence) -> list[str]:
    found = item.statement.predicate.get("supersedes") if item.statement else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _result(item: Evidence) -> str | None:
    return str(item.statement.predicate.get("result")) if item.statement else None


def check_metric(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A metric lies within its bounds; the newest verified test result decides, else the Kitfile."""
    name = arguments["name"]
    bounds = [
        f">= {arguments['min']}" if "min" in arguments else "",
        f"<= {arguments['max']}" if "max" in arguments else "",
    ]
    dataset = arguments.get("dataset")
    expected = f"{name}{f' on {dataset}' if dataset else ''} {' and '.join(filter(None, bounds))}"
    values, where, evidence = metric_of(facts, name, only_attested=arguments.get("attested", False), dataset=dataset)
    if not values:
        return False, expected, where, evidence
    is_good = all(value >= Decimal(str(arguments["min"])) for value in values) if "min" in arguments else True
    is_good = is_good and ("max" not in arguments or all(value <= Decimal(str(arguments["max"])) for value in values))
    return is_good, expected, f"{name} = {_listed(values)} ({where})", evidence


def check_not_worse_than(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A metric is no worse than that of the version a stage has now; an empty stage has nothing to beat."""
    # only a policy that compares pays for it
    from kitops_orchestration.promotion.checks.rivals import replaced_by_worse, rivals_of

    name, stage = arguments["metric"], arguments["stage"]
    tolerance = arguments.get("tolerance", 0)
    expected = f"{name} not worse than in {stage}" + (f" by more than {tolerance}" if tolerance else "")
    values, where, evidence = metric_of(facts, name)
    if not values:
        return False, expected, where, evidence
    own, repository = f"{name} = {_listed(values)}", facts.open_stage(stage)
    if repository is None:
        return False, expected, f"{own}; the repository of {stage} is not at hand", evidence
    rivals = rivals_of(facts, repository, stage)
    told = "; ".join(filter(None, [own, rivals.problem or rivals.words]))
    if rivals.problem:
        return False, expected, told, evidence
    replaced = replaced_by_worse(facts, repository, stage, rivals, _is_worse(facts, repository, arguments))
    for rival, why in [*((item, "") for item in rivals.digests), *((item, ", replaced by worse") for item in replaced)]:
        theirs = metric_of(facts.of(repository, rival), name)[0]
        if not theirs:
            return False, expected, f"{told}; the version {rival.short} in {stage} states none", evidence
        is_current = not rivals.words and not why
        told += f", {stage} has {_listed(theirs)}" if is_current else f"; {rival.short} has {_listed(theirs)}{why}"
        if not _is_as_good(values, theirs, arguments):
            return False, expected, told, evidence
    return True, expected, told, evidence


def versions_compared(facts: Facts, arguments: Mapping[str, Any]) -> tuple[Digest, ...]:
    """Return the versions that ``notWorseThan`` looks at, beside the one that is on its way."""
    from kitops_orchestration.promotion.checks.rivals import replaced_by_worse, rivals_of

    repository = facts.open_stage(arguments["stage"])
    if repository is None:
        return ()
    rivals = rivals_of(facts, repository, arguments["stage"])
    is_worse = _is_worse(facts, repository, arguments)
    found = list(rivals.digests)
    try:
        found += replaced_by_worse(facts, repository, arguments["stage"], rivals, is_worse)
    except PromotionError:
        return tuple(found)  # the check itself is red by that
    return tuple(found)


def _is_worse(facts: Facts, repository: Repository, arguments: Mapping[str, Any]) -> Callable[[Digest, Digest], bool]:
    name = arguments["metric"]

    def is_worse(one: Digest, other: Digest) -> bool:
        stated, wanted = _ever_stated(facts.of(repository, one), name), metric_of(facts.of(repository, other), name)[0]
        return bool(wanted) and not any(_is_as_good((value,), wanted, arguments) for value in stated)

    return is_worse


def _is_as_good(own: Sequence[Decimal], theirs: Sequence[Decimal], arguments: Mapping[str, Any]) -> bool:
    tolerance = Decimal(str(arguments.get("tolerance", 0)))
    if arguments.get("lowerIsBetter", False):
        return max(own) <= min(theirs) + tolerance
    return min(own) >= max(theirs) - tolerance


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
    told = ["neither the Kitfile nor a verified provenance names a dataset"]
    return False, expected, "; ".join([*told, *_not_counted(facts, predicate_types.PROVENANCE)]), ()


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
    """The model is not stored in a denied form, and in one of those allowed; a form that nobody states is not enough.

    The bytes decide as well: names and the Kitfile are only what somebody wrote.
    """
    # only a policy that asks for a form pays for it
    from kitops_orchestration.modelkit.weight_forms import FORMS, OTHER_NAMES

    denied, allowed = (
        frozenset(OTHER_NAMES.get(name.lower(), name.lower()) for name in arguments.get(word, ()))
        for word in ("deny", "allow")
    )
    words = [f"not stored as {', '.join(sorted(denied))}"] if denied else []
    words += [f"stored as {' or '.join(sorted(allowed))}"] if allowed else []
    expected = ", and ".join(words)
    denied |= _PICKLED if "pickle" in denied else frozenset()
    if facts.kit.kitfile.model is None:
        return False, expected, "the Kitfile has no model", ()
    forms = _forms_of(facts)
    if denied and not forms:
        return False, expected, "neither model.format nor the MLflow flavour states the form", ()
    # That frameworks write pickles is a guess, which the bytes make needless where forms are allowed.
    stated = _forms_of(facts, is_guessed=False) & FORMS
    bad = sorted(forms & denied | (stated - allowed if allowed else frozenset()))
    if bad:
        return False, expected, _listed(bad), ()
    told = wrong_in_model(facts, denied=denied, allowed=allowed)
    return not told, expected, "; ".join(told) or _listed(sorted(forms or allowed)), ()


def _forms_of(facts: Facts, *, is_guessed: bool = True) -> set[str]:
    """The forms that the Kitfile states, and those that the names of the model's files give away."""
    from kitops_orchestration.modelkit.weight_forms import OTHER_NAMES  # as above

    model, mlflow = facts.kit.kitfile.model, kitfile_mlflow(facts.kit)
    paths = [] if model is None else [model.path, *(part.path for part in model.parts)]
    stated = {str(form).lower() for form in (mlflow.get("serialization_format"), model and model.format) if form}
    signed = choose_files(facts.evidence, is_trust_given=facts.trust is not None)
    names = [*paths, *(name for name in (signed.files.files if signed else ()) if _is_below(name, paths))]
    suffixes = {name.rsplit(".", 1)[-1].lower() for name in names if "." in name.rsplit("/", 1)[-1]}
    if is_guessed and stated & _TORCH and not {"safetensors", "onnx", "pt2"} & (suffixes | stated):
        stated.add("pickle")  # what torch.save writes
    return {OTHER_NAMES.get(form, form) for form in stated | (suffixes & _SUFFIXES)}


def _is_below(name: str, paths: Sequence[str]) -> bool:
    tops = [path.removeprefix("./").rstrip("/") for path in paths]
    return any(top in ("", ".") or name.startswith(f"{top}/") for top in tops)


def check_max_age(facts: Facts, arguments: Mapping[str, Any]) -> Outcome:
    """A verified statement of the type is younger than so many days."""
    wanted, days = predicate_types.full_name(arguments["attestation"]), arguments["days"]
    expected = f"{arguments['attestation']} of the last {days} days"
    dated = [item for item in facts.agreed(wanted) if item.time]
    if facts.trust is None:
        return False, expected, NO_TRUST, ()
    if not dated:
        told = ["no verified statement says when", *_not_counted(facts, wanted)]
        return False, expected, "; ".join(told), ()
    last = newest(dated, facts.moment)
    young = [item for item in dated if facts.is_young(item.oldest_time, days)]
    is_good = all(item in young for item in last) and len(signers(young)) >= facts.threshold(wanted)
    return is_good, expected, f"the newest is of {last[-1].time}", last


def metric_of(
    facts: Facts, name: str, *, only_attested: bool = False, dataset: str | None = None
) -> tuple[tuple[Decimal, ...], str, Sequence[Evidence]]:
    """Return a metric's value, where it comes from, and the evidence; no value, and the reason, when there is none.

    The newest verified test result that states the metric decides.  The Kitfile does only where nobody ever demanded
    or gave a signed one: a signed number that is missing must not be replaced by one that the maker chose.  There are
    several values where several are the newest: all of them have to be good.  ``dataset`` asks for the value on one
    dataset.
    """
    all_results = facts.verified(predicate_types.TEST_RESULT)
    stated = [item for item in all_results if _stated(item, name, dataset)]
    agreed = facts.agreed(predicate_types.TEST_RESULT)
    stating = [(item, value) for item in agreed for value in _stated(item, name, dataset)]
    last = newest([item for item, _ in stating], facts.moment)
    if last:
        return tuple(sorted({value for item, value in stating if item in last})), "verified test result", last
    seen = _not_counted(facts, predicate_types.TEST_RESULT)
    if stated:
        needed = facts.threshold(predicate_types.TEST_RESULT)
        reason = f"{name} is stated by {len(signers(stated))}, and {needed} identities are needed"
        return (), "; ".join([reason, *seen]), stated
    if only_attested or is_demanded_attested(facts.policy, name):
        where = "" if only_attested else "; the policy demands it attested elsewhere, so the Kitfile does not count"
        return (), "; ".join([f"no verified test result states {name}{where}", *seen]), ()
    value, where = kitfile_metric(facts.kit, name, dataset)
    return (() if value is None else (value,)), "; ".join([where, *seen]), ()


def _ever_stated(facts: Facts, name: str) -> list[Decimal]:
    """Every number that a version has, or had: what was good when it came may have been measured again since."""
    results = facts.verified(predicate_types.TEST_RESULT)
    return [*metric_of(facts, name)[0], *(value for item in results for value in _stated(item, name, None))]


def is_demanded_attested(policy: PromotionPolicy, name: str) -> bool:
    """Tell whether any stage of the policy demands the metric from a signed test result."""
    return any(
        spec.kind == "metric" and spec.arguments.get("attested") and spec.arguments["name"] == name
        for stage in policy.stages.values()
        for spec in stage.checks
    )


def _not_counted(facts: Facts, predicate_type: str) -> list[str]:
    """Say of each statement of a type that was found and does not count why that is so."""
    short = predicate_types.short_name(predicate_type)
    return list(
        dict.fromkeys(
            f"a {short} is there, and not counted: {item.reason}"
            for item in facts.evidence
            if item.predicate_type == predicate_type and not item.is_verified
        )
    )


def _stated(item: Evidence, name: str, dataset: str | None) -> list[Decimal]:
    result = TestResult.from_json(item.statement.predicate if item.statement else {})
    metrics = [metric for metric in result.metrics if metric.name == name]
    if dataset is not None:
        metrics = [item for item in metrics if dataset in (item.dataset, f"{item.dataset}@{item.dataset_digest}")]
    numbers = [as_number(metric.value) for metric in metrics]
    return [number for number in numbers if number is not None]


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
