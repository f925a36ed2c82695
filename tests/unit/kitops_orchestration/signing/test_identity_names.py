"""One person is one voice: what lets somebody stand in the trust policy twice is an error, and nothing is merged."""

from __future__ import annotations

import unicodedata

import pytest

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing.identities import Identity, TrustedKey
from kitops_orchestration.signing.identity_names import check_names
from kitops_orchestration.signing.keyless.identity import CertificateIdentity
from kitops_orchestration.signing.keys import generate_key_pair

E_ACUTE = "jos\u00e9@example.com"


@pytest.fixture(scope="module")
def keys():
    return [(TrustedKey(generate_key_pair(key_format="pkcs8").public_key),) for _ in range(2)]


def two(keys, one: dict, other: dict, **options) -> None:
    people = [Identity(keys=key, roles=frozenset(), **words) for key, words in zip(keys, (one, other), strict=True)]
    check_names(people, **options)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (E_ACUTE, unicodedata.normalize("NFD", E_ACUTE)),
        ("Ada@example.com", "ada@EXAMPLE.com"),
        ("of\ufb01ce@example.com", "office@example.com"),
        ("stra\u00dfe", "strasse"),
        ("\uff41da", "ada"),
    ],
    ids=["Unicode form", "case", "ligature", "sharp s", "full width"],
)
def test_two_spellings_of_one_name_are_refused(keys, one, other):
    with pytest.raises(SignatureError, match=r"there twice|mixes letters"):
        two(keys, {"id": one}, {"id": other}, is_unicode_allowed=True)


def test_an_id_that_is_anothers_e_mail_is_refused(keys):
    with pytest.raises(SignatureError, match="there twice"):
        two(keys, {"id": "ada@example.com"}, {"id": "ada", "email": "Ada@example.com"})
    check_names([Identity("ada@example.com", keys[0], frozenset(), email="ada@example.com")])


@pytest.mark.parametrize("name", ["ada@example.com", "Ada@Example.com"])
def test_an_e_mail_in_certificates_is_one_person_whoever_vouches_for_it(keys, name):
    """Name one person by a key, and again by certificates of other issuers: each would be a voice."""

    def certified(identity: str, issuer: str, mail: str = name) -> Identity:
        return Identity(identity, (), frozenset(), certificates=(CertificateIdentity(mail, issuer),))

    laptop = certified("laptop", "https://accounts.google.com")
    for other in (
        Identity("ada@example.com", keys[0], frozenset()),
        Identity("ada", keys[0], frozenset(), email="ada@example.com"),
        certified("phone", "https://github.com/login/oauth", "ADA@example.com"),
    ):
        for people in ([laptop, other], [other, laptop]):
            with pytest.raises(SignatureError, match="there twice"):
                check_names(people)
    both = (*laptop.certificates, CertificateIdentity("ada@example.com", "https://github.com/login/oauth"))
    check_names([Identity("ada@example.com", keys[0], frozenset(), certificates=both)])


@pytest.mark.parametrize(
    "name",
    ["ada ", " ada", "ada\u00a0", "ad\u200ba", "ad\u00ada", "\u202eada", "ada\ufeff", "\u0430da", "ad\u0430", "ada\n"],
    ids=ascii,
)
def test_a_name_that_hides_what_it_is_is_refused(keys, name):
    """White space at an edge, letters that nobody sees, one Cyrillic letter in a Latin word."""
    with pytest.raises(SignatureError, match=r"white space|nobody sees|mixes letters"):
        two(keys, {"id": "ada"}, {"id": name}, is_unicode_allowed=True)
    with pytest.raises(SignatureError, match=r"identities\[1\].name"):
        two(keys, {"id": "ada"}, {"id": "ben", "name": name})


def test_a_word_wholly_of_letters_that_look_like_others_needs_consent(keys):
    """Three Cyrillic letters that look like "ace": no table tells them apart, so ids are of ASCII unless allowed."""
    with pytest.raises(SignatureError, match="outside of ASCII"):
        two(keys, {"id": "ace"}, {"id": "\u0430\u0441\u0435"})
    two(keys, {"id": "ace"}, {"id": "\u0430\u0441\u0435"}, is_unicode_allowed=True)


@pytest.mark.parametrize(
    "name",
    [
        "\u0410\u0434\u0430 \u041b\u043e\u0432\u043b\u0435\u0439\u0441",
        "\u4f50\u85e4 \u3055\u304f\u3089",
        "Jos\u00e9 N\u00fa\u00f1ez",
        "Ada (CI-2)",
    ],
)
def test_names_of_people_pass(keys, name):
    two(keys, {"id": "ada", "name": name}, {"id": "ben", "name": "Ben"})
