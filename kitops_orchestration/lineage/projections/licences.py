"""What a licence is called in a bill of materials: an expression of SPDX, or the words that somebody wrote.

Kitfiles hold free text: ``Proprietary`` and ``GPL`` look like identifiers and are none.  A document that repeats them
as an expression is not valid, so a word counts as an identifier only where it is known here.  One that is missing here
is shown as a name, which is true as well.

Source: the grammar of SPDX 3.0.1, annex on licence expressions; identifiers of the SPDX licence list 3.27.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_LETTERS = 200
"""A longer text is the licence itself, or none."""

_KNOWN = """
0BSD AAL AFL-1.1 AFL-1.2 AFL-2.0 AFL-2.1 AFL-3.0 AGPL-1.0-only AGPL-1.0-or-later AGPL-3.0 AGPL-3.0-only
AGPL-3.0-or-later Apache-1.0 Apache-1.1 Apache-2.0 APSL-2.0 Artistic-1.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause
BSD-2-Clause BSD-2-Clause-Patent BSD-3-Clause BSD-3-Clause-Clear BSD-3-Clause-LBNL BSD-4-Clause BSL-1.0 BUSL-1.1
C-UDA-1.0 CC-BY-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-1.0 CC-BY-NC-2.0 CC-BY-NC-2.5 CC-BY-NC-3.0
CC-BY-NC-4.0 CC-BY-NC-ND-1.0 CC-BY-NC-ND-2.0 CC-BY-NC-ND-2.5 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-1.0
CC-BY-NC-SA-2.0 CC-BY-NC-SA-2.5 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-1.0 CC-BY-ND-2.0 CC-BY-ND-2.5 CC-BY-ND-3.0
CC-BY-ND-4.0 CC-BY-SA-1.0 CC-BY-SA-2.0 CC-BY-SA-2.5 CC-BY-SA-3.0 CC-BY-SA-4.0 CC-PDDC CC0-1.0 CDDL-1.0 CDDL-1.1
CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 CECILL-2.0 CECILL-2.1 CECILL-B CECILL-C CPAL-1.0 CPL-1.0 curl
D-FSL-1.0 ECL-1.0 ECL-2.0 EFL-2.0 Elastic-2.0 EPL-1.0 EPL-2.0 etalab-2.0 EUPL-1.0 EUPL-1.1 EUPL-1.2 FTL GFDL-1.1-only
GFDL-1.1-or-later GFDL-1.2-only GFDL-1.2-or-later GFDL-1.3-only GFDL-1.3-or-later GPL-1.0-only GPL-1.0-or-later
GPL-2.0 GPL-2.0-only GPL-2.0-or-later GPL-3.0 GPL-3.0-only GPL-3.0-or-later HPND ICU IJG Intel IPA IPL-1.0 ISC JSON
LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1 LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0 LGPL-3.0-only LGPL-3.0-or-later
Libpng libpng-2.0 LPL-1.02 LPPL-1.3c MIT MIT-0 MIT-CMU MIT-Modern-Variant MPL-1.0 MPL-1.1 MPL-2.0
MPL-2.0-no-copyleft-exception MS-PL MS-RL MulanPSL-1.0 MulanPSL-2.0 NAIST-2003 NASA-1.3 NCSA NIST-PD NLOD-1.0 NLOD-2.0
NPOSL-3.0 NTP O-UDA-1.0 ODbL-1.0 ODC-By-1.0 OFL-1.0 OFL-1.1 OGC-1.0 OGL-Canada-2.0 OGL-UK-1.0 OGL-UK-2.0 OGL-UK-3.0
OLDAP-2.8 OpenSSL OSL-1.0 OSL-2.0 OSL-2.1 OSL-3.0 Parity-7.0.0 PDDL-1.0 PHP-3.01 PolyForm-Noncommercial-1.0.0
PolyForm-Small-Business-1.0.0 PostgreSQL PSF-2.0 Python-2.0 Python-2.0.1 QPL-1.0 Ruby SGI-B-2.0 Sleepycat SSPL-1.0
TAPR-OHL-1.0 TCL UCL-1.0 Unicode-3.0 Unicode-DFS-2016 Unlicense UPL-1.0 Vim W3C Watcom-1.0 WTFPL X11 Xnet Zend-2.0
Zlib zlib-acknowledgement ZPL-2.0 ZPL-2.1
"""
_EXCEPTIONS = """
Autoconf-exception-2.0 Autoconf-exception-3.0 Bison-exception-2.2 Bootloader-exception Classpath-exception-2.0
Font-exception-2.0 GCC-exception-2.0 GCC-exception-3.1 LGPL-3.0-linking-exception Libtool-exception Linux-syscall-note
LLVM-exception OCaml-LGPL-linking-exception openvpn-openssl-exception Qt-LGPL-exception-1.1
Universal-FOSS-exception-1.0 WxWindows-exception-3.1
"""
IDENTIFIERS = {name.lower(): name for name in _KNOWN.split()}
"""The known identifiers, by their small letters: SPDX tells no cases apart."""
EXCEPTIONS = {name.lower(): name for name in _EXCEPTIONS.split()}

_WORD = re.compile(r"\(|\)|[^\s()]+")
_REFERENCE = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence as it can be written down."""

    words: str
    """What the Kitfile says."""
    expression: str | None
    """As SPDX spells it; ``None`` where the words are no expression."""

    @property
    def identifier(self) -> str | None:
        """The one identifier that the whole expression is."""
        return self.expression if self.expression in IDENTIFIERS.values() else None

    @property
    def custom_id(self) -> str | None:
        """``LicenseRef-…`` for words that are no expression; ``None`` where no name can be made of them."""
        name = re.sub(r"[^A-Za-z0-9.]+", "-", self.words).strip("-.")
        is_name = bool(name) and "\n" not in self.words and len(self.words) <= MOST_LETTERS
        return f"LicenseRef-{name}" if is_name else None


def licence_of(text: str) -> Licence | None:
    """Return what is known of a licence's words; ``None`` where there are none."""
    words = text.strip()
    return Licence(words, _expression(words)) if words else None


def _expression(text: str) -> str | None:
    if len(text) > MOST_LETTERS:
        return None
    try:
        left = _Words(_WORD.findall(text))
        found = left.either(0)
    except (LookupError, ValueError):
        return None
    return None if left.rest else found


class _Words:
    """Reads an expression word by word: ``WITH`` binds most, then ``AND``, then ``OR``."""

    def __init__(self, words: list[str]) -> None:
        self.rest = words

    def either(self, depth: int) -> str:
        found = [self._both(depth)]
        while self._takes("OR"):
            found.append(self._both(depth))
        return " OR ".join(found)

    def _both(self, depth: int) -> str:
        found = [self._one(depth)]
        while self._takes("AND"):
            found.append(self._one(depth))
        return " AND ".join(found)

    def _one(self, depth: int) -> str:
        if self._takes("("):
            if depth == _DEEPEST:
                raise ValueError("too deep")
            inner = self.either(depth + 1)
            if not self._takes(")"):
                raise ValueError("not closed")
            return f"({inner})"
        found = _identifier(self.rest.pop(0))
        return f"{found} WITH {EXCEPTIONS[self.rest.pop(0).lower()]}" if self._takes("WITH") else found

    def _takes(self, word: str) -> bool:
        is_next = bool(self.rest) and self.rest[0].upper() == word
        if is_next:
            self.rest.pop(0)
        return is_next


def _identifier(word: str) -> str:
    if _REFERENCE.fullmatch(word):
        return word
    bare = word.removesuffix("+")
    return IDENTIFIERS[bare.lower()] + word[len(bare) :]
