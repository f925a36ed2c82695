"""The promotion policy is read strictly: what it says wrongly is an error that names the place."""

import pytest

from kitops_orchestration.errors import PromotionError
from kitops_orchestration.promotion.rules.policy import PromotionPolicy

WHOLE = """
version: 1
stages:
  staging:
    from: [dev]
    checks: [{datasetsDeclared: true}]
  production:
    from: [staging]
    destination: r.io/prod/{name}
    tag: live
    immutableTags: ["[0-9]*"]
    checks:
      - signature: {roles: [releaser], count: 1}
      - attestation: {type: provenance, builder: "airflow*"}
      - metric: {name: accuracy, min: "0.95"}
      - notWorseThan: {stage: production, metric: accuracy, tolerance: 0.005}
      - license: {allow: [Apache-2.0]}
      - serialization: {deny: [pickle]}
      - maxAge: {attestation: test-result, days: 30}
      - approvals: {roles: [risk], count: 2, excludeBuilder: true, maxAgeDays: 14}
      - custom: {callable: "my.checks:is_small", arguments: {bytes: 10}}
    skipOnRollback: [metric, notWorseThan]
"""


def test_a_whole_policy_is_read():
    policy = PromotionPolicy.parse(WHOLE, source="promotion.yaml")
    stage = policy.stage("production")

    assert policy.stage("staging").tag == "staging"
    assert (stage.sources, stage.tag, stage.immutable_tags) == (("staging",), "live", ("[0-9]*",))
    assert stage.repository_for("r.io/dev/iris") == "r.io/prod/iris"
    assert policy.stage("staging").repository_for("r.io/dev/iris") is None
    assert [check.id for check in stage.checks] == [
        "signature",
        "attestation:provenance",
        "metric:accuracy",
        "notWorseThan:accuracy",
        "license",
        "serialization",
        "maxAge:test-result",
        "approvals",
        "custom:my.checks:is_small",
    ]


def test_checks_can_be_shared_by_an_alias_and_types_have_the_names_that_cosign_gives_them():
    policy = PromotionPolicy.parse(
        "version: 1\nstages:\n  a: {checks: &checks [{attestation: {type: slsa-provenance}}]}\n  b: {checks: *checks}\n"
    )

    assert policy.stage("a").checks == policy.stage("b").checks


def test_the_digest_is_of_the_text_as_it_stands():
    assert PromotionPolicy.parse(WHOLE).digest == PromotionPolicy.parse(WHOLE.encode()).digest
    assert PromotionPolicy.parse(WHOLE).digest != PromotionPolicy.parse(WHOLE + "\n").digest


def test_an_unknown_stage_is_named_together_with_those_there_are():
    with pytest.raises(PromotionError) as caught:
        PromotionPolicy.parse(WHOLE).stage("prod")

    assert "staging, production" in caught.value.advice


def stage(check: str, more: str = "") -> str:
    return f"version: 1\nstages:\n  live:\n    checks: [{check}]\n{more}"


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "must be a mapping"),
        ("[1]", "must be a mapping"),
        ("version: 2\nstages: {a: {}}", "version"),
        ("version: 1", "stages"),
        ("version: 1\nstages: {}", "stages"),
        ("version: 1\nstage: {a: {}}", "stage is unknown"),
        ("version: 1\nstages: {a: {check: []}}", "stages.a.check is unknown"),
        ("version: 1\nstages: {a: {from: dev}}", "stages.a.from"),
        ("version: 1\nstages: {a: {tag: [x]}}", "stages.a.tag"),
        ("version: 1\nstages: {a: {}}\nstages: {b: {}}", "line 3"),
        ("version: 1\nstages: {a: {checks: {metric: 1}}}", "must be a list"),
        ("version: 1\nstages: {a: {skipOnRollback: [metric]}}", "skipOnRollback"),
        (stage("metrics: {name: a, min: 1}"), "'metrics' is no check"),
        (stage("{metric: {name: a, min: 1}, license: {allow: [x]}}"), "must be one check"),
        (stage("metric: {name: accuracy}"), "needs min or max"),
        (stage("metric: {min: 1}"), "metric.name is missing"),
        (stage("metric: {name: a, min: .nan}"), "finite"),
        (stage("metric: {name: a, min: high}"), "not a number"),
        (stage("metric: {name: a, minimum: 1}"), "metric.minimum is unknown"),
        (stage("approvals: {roles: [risk], count: 0}"), "more than 0"),
        (stage("approvals: {roles: [risk], count: true}"), "wrong type"),
        (stage("approvals: {roles: risk}"), "wrong type"),
        (stage("license: {allow: [1]}"), "list of texts"),
        (stage("license: {allow: []}"), "license.allow is missing"),
        (stage("datasetsDeclared: {x: 1}"), "datasetsDeclared.x is unknown"),
        (stage("datasetsDeclared: false"), "must be a mapping"),
        ("version: [", "not YAML"),
        ("version: true\nstages: {a: {}}", "version"),
        ("version: 1.0\nstages: {a: {}}", "version"),
        ("version: 1\nstages: {a: {tag: live}, b: {tag: live}}", "'live' is that of a"),
        ("version: 1\nstages: {a: {checks: [&x {license: {allow: [y]}}, *x]}, b: &b [*b]}", "contains itself"),
        ("version: 1\nstages: {a: {<<: {tag: x}}}", "merge keys"),
        ("version: 1\nstages: {on: {}}", "a name is not text"),
        ("version: 1\nstages: {? [a]: {}}", "a name is not text"),
        ("version: 1\nstages: {a: {tag: 2027-02-30}}", "line 2"),
        (LAUGHS, "larger than"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ("version: 1\nstages: {}\n---\nversion: 1", "not YAML"),
        ("version: 1\nstages: !!python/object/apply:os.system [x]", "not YAML"),
        (stage("notWorseThan: {stage: prod, metric: a}"), "names 'prod'"),
        (stage("attestation: {type: provenence}"), "no predicate type"),
        (stage("maxAge: {attestation: tests, days: 1}"), "no predicate type"),
        (stage("maxAge: {attestation: test-result, days: .inf}"), "more than 0"),
        (stage("maxAge: {attestation: test-result, days: .nan}"), "more than 0"),
    ],
)
def test_what_the_language_does_not_know_is_an_error_with_its_place(text, place):
    with pytest.raises(PromotionError, match="promotion") as caught:
        PromotionPolicy.parse(text, source="promotion.yaml")

    assert place in str(caught.value)
    assert caught.value.advice


def test_a_missing_file_is_one_error_with_advice(tmp_path):
    with pytest.raises(PromotionError, match="cannot read") as caught:
        PromotionPolicy.load(tmp_path / "promotion.yaml")

    assert caught.value.advice


@pytest.mark.parametrize("empty", ["{}", "false", "0", "''", "null", ""])
@pytest.mark.parametrize("word", ["checks", "from", "immutableTags", "skipOnRollback"])
def test_what_is_no_list_is_not_read_as_an_empty_one(word, empty):
    with pytest.raises(PromotionError, match=f"stages.production.{word}"):
        PromotionPolicy.parse(f"version: 1\nstages:\n  production:\n    {word}: {empty}\n")


@pytest.mark.parametrize(
    "check",
    [
        "metric: {name: accuracy, min: .nan}",
        "metric: {name: accuracy, max: .inf}",
        "metric: {name: accuracy, min: 2, max: 1}",
        "metric: {name: ' accuracy', min: 1}",
        "notWorseThan: {stage: production, metric: accuracy, tolerance: -0.1}",
        "license: {allow: ['']}",
        "license: {allow: [MIT, ' ']}",
        "license: {allow: [' MIT']}",
        "serialization: {deny: ['']}",
        "signature: {roles: []}",
        "signature: {roles: [releaser, releaser]}",
        "signature: false",
        "datasetsDeclared: false",
        "datasetsDeclared: null",
        "approvals: {roles: ['']}",
        "approvals: {roles: [risk], maxAgeDays: .nan}",
        "approvals: {roles: [risk], count: 0}",
        "maxAge: {attestation: test-result, days: .inf}",
        "attestation: {type: test-result, result: PASSD}",
        "attestation: {type: test-result, builder: ''}",
        "custom: {callable: ' '}",
    ],
)
def test_a_check_that_cannot_be_meant_is_an_error(check):
    with pytest.raises(PromotionError, match=r"stages.production.checks\[0\]"):
        PromotionPolicy.parse(f"version: 1\nstages:\n  production:\n    checks:\n      - {check}\n")


@pytest.mark.parametrize(
    "body",
    [
        "from: [production]",
        "from: [{stage: dev, policyDigests: ['sha256:abc']}]",
        "from: [{stage: dev, places: [iris]}]",
        "from: [{stage: dev, unsigned: 1}]",
        "from: [{stage: dev, trusted: true}]",
        "from: [{recheck: false}]",
        "rollback: {policyDigests: ['nothing']}",
        "rollback: false",
        "tag: null",
    ],
)
def test_terms_of_a_stage_that_cannot_be_meant_are_errors(body):
    with pytest.raises(PromotionError, match=r"stages.production"):
        PromotionPolicy.parse(f"version: 1\nstages:\n  production:\n    {body}\n")
