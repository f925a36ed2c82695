"""One person, one voice: names of identities that people, or programs, would take for one another are refused.

Two identities count as two people, so whatever lets one person stand there twice (another Unicode form, a space at
the end, a letter that looks like another, an id that is another's e-mail) is an error, and nothing is merged.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kitops_orchestration.errors import SignatureError

if TYPE_CHECKING:
    from kitops_orchestration.signing.identities import Identity

_TOGETHER = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"})
"""Scripts that one word mixes rightly."""
_INVISIBLE = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")
_ADVICE = "give one person one identity with all of their keys: two would count as two people"


def check_names(identities: Sequence[Identity], *, is_unicode_allowed: bool = False) -> None:
    """Refuse ids, e-mails and keys that stand there twice, and names that hide what they are.

    A word that is wholly of letters that look like Latin ones passes for a name; ids are of ASCII alone unless
    ``is_unicode_allowed``, because Python knows no table of look-alikes.

    Raises:
        SignatureError: with the place in the policy.
    """
    taken: dict[str, tuple[str, str]] = {}
    for index, identity in enumerate(identities):
        place = f"identities[{index}]"
        for member, text in (("id", identity.id), ("email", identity.email), ("name", identity.name)):
            if text is not None:
                _check_text(text, f"{place}.{member}")
        for member, text in (("id", identity.id), ("email", identity.email)):
            if text is None:
                continue
            if not text.isascii() and not is_unicode_allowed:
                raise SignatureError(
                    f"{place}.{member} has letters outside of ASCII: {text!r}",
                    advice="letters of other scripts look alike; allowUnicodeIds: true in the policy accepts them",
                )
            _take(taken, text, place, member)
        # Whoever vouches for it, an e-mail in a certificate is one person's; of workflows it is one workflow's.
        for certificate in identity.certificates:
            if "@" in certificate.name and not certificate.is_pattern:
                _take(taken, certificate.name, place, "exact name in certificates")
    _check_keys(identities)


def _take(taken: dict[str, tuple[str, str]], text: str, place: str, member: str) -> None:
    owner, same = taken.setdefault(plain(text), (place, member))
    if owner != place:
        what = member if member == same else f"{same} that is an {member}"
        raise SignatureError(f"an {what} is there twice: {owner} and {place} have {text!r}", advice=_ADVICE)


def plain(text: str) -> str:
    """Return the form in which two names are compared."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def _check_text(text: str, place: str) -> None:
    if text.strip() != text:
        raise SignatureError(f"{place} has white space around it: {text!r}")
    hidden = [letter for letter in text if unicodedata.category(letter) in _INVISIBLE]
    if hidden:
        raise SignatureError(f"{place} has letters that nobody sees: {text!r} (U+{ord(hidden[0]):04X})")
    for word in _words(text):
        scripts = {_script(letter) for letter in word} - {None}
        if len(scripts) > 1 and not scripts <= _TOGETHER:
            listed = " and ".join(sorted(str(script) for script in scripts))
            raise SignatureError(f"{place} mixes letters of {listed} in one word: {word!r}", advice=_ADVICE)


def _words(text: str) -> Iterable[str]:
    return "".join(letter if letter.isalpha() else " " for letter in text).split()


def _script(letter: str) -> str | None:
    return unicodedata.name(letter, "").split(" ")[0] or None


def _check_keys(identities: Sequence[Identity]) -> None:
    keys = [key.public_key.der for identity in identities for key in identity.keys]
    if len(set(keys)) != len(keys):
        raise SignatureError("a key is there twice", advice=_ADVICE)
    names = [(item.name, item.issuer) for identity in identities for item in identity.certificates]
    if len(set(names)) != len(names):
        raise SignatureError("a certificateIdentity of one issuer is there twice", advice=_ADVICE)
