from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.keyless.verify import TrustedRoot
from kitops_orchestration.signing.trust import TrustPolicy

TEAM = """
version: 1
identities:
  - id: ada@example.com
    name: Ada
    roles: [releaser]
    keys: [{publicKey: ada.pub, notBefore: 2026-01-01, notAfter: "2027-01-01T00:00:00Z"}, {publicKey: ada2.pub}]
  - {id: ben@example.com, roles: [approver], keys: [{publicKey: ben.pub}]}
rules:
  signature: {roles: [releaser], threshold: 1}
  "https://example.com/scan/v1": {roles: [approver]}
builders: ["https://airflow.example.com/*"]
deny: ["sha256:%s"]
repositories: ["registry.example.com/models/*"]
""" % ("d" * 64)
INSIDE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def policy(write_policy) -> TrustPolicy:
    return TrustPolicy.load(write_policy(TEAM))


def test_a_policy_is_read(policy, people) -> None:
    assert [identity.shown for identity in policy.identities] == ["Ada", "ben@example.com"]
    assert policy.public_keys == (people.ada.public_key, people.ada2.public_key, people.ben.public_key)
    assert policy.rule(predicate_types.SIGNATURE).threshold == 1
    assert policy.deny == {"sha256:" + "d" * 64}


def test_a_key_counts_for_its_owners_roles_only(policy, people) -> None:
    judged = policy.judge(people.ada.public_key, predicate_types.SIGNATURE, at=INSIDE)
    assert (judged.counts, judged.identity.id) == (True, "ada@example.com")
    judged = policy.judge(people.ben.public_key, predicate_types.SIGNATURE, at=INSIDE)
    assert (judged.counts, judged.reason) == (False, "ben@example.com has no role for signature: releaser is needed")


@pytest.mark.parametrize(
    ("moment", "says"),
    [(datetime(2025, 12, 31, tzinfo=UTC), "valid from 2026-01-01"), (datetime(2027, 1, 2, tzinfo=UTC), "until 2027")],
)
def test_a_key_counts_inside_its_window_only(policy, people, moment, says) -> None:
    for arguments in ({"at": moment}, {"at": INSIDE, "claimed": moment}):
        judged = policy.judge(people.ada.public_key, predicate_types.SIGNATURE, **arguments)
        assert not judged.counts
        assert says in judged.reason


def test_a_type_without_a_rule_counts_for_nothing(policy, people) -> None:
    judged = policy.judge(people.ben.public_key, "https://example.com/other/v1", at=INSIDE)
    assert (judged.counts, judged.reason) == (False, "the trust policy has no rule for https://example.com/other/v1")
    assert policy.judge(people.ben.public_key, "https://example.com/scan/v1", at=INSIDE).counts


def test_types_of_the_field_have_a_usual_role(policy, people) -> None:
    assert policy.judge(people.ben.public_key, predicate_types.APPROVAL, at=INSIDE).counts
    assert not policy.judge(people.ada2.public_key, predicate_types.APPROVAL, at=INSIDE).counts


def test_a_key_that_the_policy_does_not_name_counts_for_nothing(policy, people) -> None:
    for key in (people.mallory.public_key, None):
        assert not policy.judge(key, predicate_types.SIGNATURE, at=INSIDE).counts


def test_builders_and_digests_and_repositories_are_held_against_the_policy(policy) -> None:
    from kitops_orchestration.oci.reference import Reference

    assert policy.accepts_builder("https://airflow.example.com/prod")
    assert not policy.accepts_builder("https://elsewhere.example.com/prod")
    assert not policy.accepts_builder(None)
    assert "denies" in policy.why_refused("sha256:" + "d" * 64)
    inside, outside = (Reference.parse(f"registry.example.com/{name}/iris") for name in ("models", "other"))
    assert policy.why_refused("sha256:" + "a" * 64, inside) is None
    assert "not for" in policy.why_refused("sha256:" + "a" * 64, outside)


ONE = "identities: [{id: a, roles: [releaser], keys: [{publicKey: ada.pub}]}]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"version: 2\n{ONE}", "version is 2"),
        (f"version: true\n{ONE}", "version is True"),
        (ONE, "lacks version"),
        ("version: 1", "lacks identities"),
        (f"version: 1\n{ONE}\ndenied: []", "unknown names: denied"),
        ("version: 1\nidentities: [{id: a, roles: [], keys: [{publicKey: ada.pub}], role: x}]", "unknown names: role"),
        ("version: 1\nidentities: [{id: a, roles: [], keys: [{publicKey: ada.pub, notafter: 1}]}]", "notafter"),
        ("version: 1\nidentities: [{id: a, roles: [], keys: []}]", "no key"),
        ("version: 1\nidentities: [{id: 5, roles: [], keys: [{publicKey: ada.pub}]}]", "id is not text"),
        ("version: 1\nidentities: [{id: a, roles: x, keys: [{publicKey: ada.pub}]}]", "roles is not a list"),
        ("version: 1\nidentities: [{id: a, roles: [], keys: [{publicKey: none.pub}]}]", "none.pub"),
        ("version: 1\nidentities: [{id: a, roles: [], keys: [{publicKey: ada.pub, notAfter: soon}]}]", "not a time"),
        (f"version: 1\n{ONE}\nrules: {{signatures: {{roles: [x]}}}}", "not a predicate type"),
        (f"version: 1\n{ONE}\nrules: {{signature: {{roles: []}}}}", "roles is empty"),
        (f"version: 1\n{ONE}\nrules: {{signature: {{roles: [x], threshold: 0}}}}", "threshold is 0"),
        (f"version: 1\n{ONE}\nrules: {{signature: {{threshold: 1}}}}", "lacks roles"),
        (f"version: 1\n{ONE}\nrules: []", "rules is not a mapping"),
        (f"version: 1\n{ONE}\ndeny: [latest]", "not a digest"),
        (f"version: 1\n{ONE}\ndeny: []\ndeny: []", "written twice"),
        ("version: 1\nidentities: [", "not YAML"),
        ("[]", "not a mapping"),
        ("version: 1\nidentities: [{id: a, roles: [], keys: [{publicKey: ada.pub}, {publicKey: ada.pub}]}]", "twice"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("version: 1\nidentities: [{id: a, roles: [], keys: [{publicKey: ada.pub, notAfter: 2027-02-30}]}]", "line 2"),
        (f"version: 1\n{ONE}\nrules: {{signature: {{roles: [x], threshold: 2027-02-30}}}}", "line 3"),
        ("version: 1\nidentities: &i [*i]", "contains itself"),
        (f"version: 1\n{ONE}\nrules: {{signature: {{<<: {{roles: [x]}}}}}}", "merge keys"),
        ("version: 1\nidentities: " + "[" * 3000, "nested too deeply|not YAML"),
        ('version: 1\nidentities: "\\UFFFFFFFF"', "not YAML: an escape that is no character"),
        ('version: 1\nidentities: "\\U00110000"', "not YAML: an escape that is no character"),
        (
            "version: 1\nidentities: [{id: a, roles: [], keys: [*]}]".replace(
                "*", "{publicKey: ada.pub, notBefore: 2027-01-01, notAfter: 2026-01-01}"
            ),
            "ends before it begins",
        ),
    ],
    ids=lambda value: value[-40:],
)
def test_a_policy_that_is_not_exactly_one_is_refused_with_its_place(write_policy, text, says) -> None:
    path = write_policy(text)
    with pytest.raises(SignatureError, match=says) as caught:
        TrustPolicy.load(path)
    assert str(path) in str(caught.value)


def test_one_key_of_two_people_is_refused(write_policy) -> None:
    text = "version: 1\nidentities:\n" + "".join(
        f"- {{id: {name}, roles: [releaser], keys: [{{publicKey: ada.pub}}]}}\n" for name in ("a", "b")
    )
    with pytest.raises(SignatureError, match="twice"):
        TrustPolicy.load(write_policy(text))


@pytest.mark.parametrize("same", ["id", "email"])
def test_one_person_under_two_spellings_is_refused(write_policy, same) -> None:
    people = [("Ada@example.com", "ada.pub"), ("ada@example.com", "ben.pub")]
    text = "version: 1\nidentities:\n" + "".join(
        f"- {{id: {name if same == 'id' else key}, email: {name}, roles: [], keys: [{{publicKey: {key}}}]}}\n"
        for name, key in people
    )
    with pytest.raises(SignatureError, match=f"an {same} is there twice"):
        TrustPolicy.load(write_policy(text))


def test_a_policy_that_is_not_there_is_one_clear_error(tmp_path) -> None:
    with pytest.raises(SignatureError, match="cannot read"):
        TrustPolicy.load(tmp_path / "none.yaml")


def test_a_trusted_root_by_which_nothing_could_be_verified_is_refused():
    kind = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
    root = {"mediaType": kind, "tlogs": [], "ctlogs": [{"baseUrl": "https://ctfe.example"}]}
    with pytest.raises(SignatureError, match="none of signatures"):
        TrustedRoot.of(json.dumps(root).encode())
    for good in ({**root, "ctlogs": []}, {**root, "tlogs": [{}]}, {"mediaType": kind}):
        assert TrustedRoot.of(json.dumps(good).encode()).content
    with pytest.raises(SignatureError, match="not a trusted_root"):
        TrustedRoot.of(b"[]")
