"""Which licence a text is: SPDX identifiers of the licences that models, data and code come under.

A text counts as a licence when all of its telling phrases are there; a text that holds two is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MAX_CHARS = 200_000
_GPL = "gnu general public license"
_LGPL = "gnu lesser general public license"
_AGPL = "gnu affero general public license"
_ATTRIBUTION = "creative commons attribution"
_REDISTRIBUTION = "redistribution and use in source and binary forms, with or without modification, are permitted"
_MIT_GRANT = "permission is hereby granted, free of charge, to any person obtaining a copy"
# First match wins within a group: narrower texts stand before the wider ones that they contain.
_GROUPS: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = (
    (
        ("Apache-2.0", ("apache license", "version 2.0")),
        ("Apache-2.0", ("licensed under the apache license, version 2.0",)),
    ),
    (
        ("MIT", (_MIT_GRANT, "the above copyright notice and this permission notice shall be included")),
        ("X11", (_MIT_GRANT, "name of the x consortium")),
        ("MIT-0", (_MIT_GRANT, "without restriction")),
    ),
    (
        ("BSD-4-Clause", (_REDISTRIBUTION, "all advertising materials mentioning")),
        ("BSD-3-Clause", (_REDISTRIBUTION, "may be used to endorse or promote")),
        ("BSD-2-Clause", (_REDISTRIBUTION, "in binary form must reproduce")),
    ),
    (
        (
            "ISC",
            ("permission to use, copy, modify, and/or distribute this software for any purpose with or without fee",),
        ),
    ),
    (
        ("AGPL-3.0", (_AGPL, "version 3")),
        ("LGPL-3.0", (_LGPL, "version 3")),
        ("LGPL-2.1", (_LGPL, "version 2.1")),
        ("GPL-3.0", (_GPL, "version 3")),
        ("GPL-2.0", (_GPL, "version 2")),
    ),
    (("MPL-2.0", ("mozilla public license", "version 2.0")),),
    (("EPL-2.0", ("eclipse public license", "v 2.0")),),
    (("Unlicense", ("this is free and unencumbered software released into the public domain",)),),
    (("BSL-1.0", ("boost software license", "version 1.0")),),
    (
        ("CC0-1.0", ("cc0 1.0 universal",)),
        ("CC-BY-NC-ND-4.0", (f"{_ATTRIBUTION}-noncommercial-noderivatives 4.0",)),
        ("CC-BY-NC-SA-4.0", (f"{_ATTRIBUTION}-noncommercial-sharealike 4.0",)),
        ("CC-BY-NC-4.0", (f"{_ATTRIBUTION}-noncommercial 4.0",)),
        ("CC-BY-ND-4.0", (f"{_ATTRIBUTION}-noderivatives 4.0",)),
        ("CC-BY-SA-4.0", (f"{_ATTRIBUTION}-sharealike 4.0",)),
        ("CC-BY-4.0", (f"{_ATTRIBUTION} 4.0",)),
    ),
    (("OFL-1.1", ("sil open font license", "version 1.1")),),
    (("OpenRAIL", ("open & responsible ai license",)), ("OpenRAIL", ("open rail",)), ("OpenRAIL", ("openrail",))),
)
_HEADING_CHARS = 600


def detect_license(text: str) -> str | None:
    """Return the SPDX identifier of the one licence that ``text`` is, or ``None``."""
    plain = " ".join(re.sub(r"[*#>_`=\"']", " ", text[:_MAX_CHARS].lower()).split())
    found = list(_matches(plain))
    if len(found) > 1:
        # Long texts speak of others (the GPL of the AGPL): what the heading names is meant.
        found = list(_matches(plain[:_HEADING_CHARS])) or found
    return found[0] if len(found) == 1 else None


def _matches(plain: str) -> Iterator[str]:
    for group in _GROUPS:
        for identifier, phrases in group:
            if all(" ".join(phrase.split()) in plain for phrase in phrases):
                yield identifier
                break
