"""Where a run is in MLflow's own pages: made of an address that the operator gave, and of checked names.

What a provenance says of a run is what somebody wrote.  So its text is never an address; it only chooses among those
that were given, by host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.port import port_of

_RUN = re.compile(r"mlflow://([^/?#@\s]+)/experiments/([0-9A-Za-z_-]{1,64})/runs/([0-9A-Za-z_-]{1,64})")


def addresses_by_host(urls: Sequence[str]) -> dict[str, str]:
    """Return host (and port) to address of tracking servers.

    Raises:
        KitOpsError: an address is none of a web page, or holds more than that.
    """
    found: dict[str, str] = {}
    for url in urls:
        try:
            parts = urlsplit(url)
            port_of(parts.netloc)
            is_good = parts.scheme in ("http", "https") and parts.hostname
        except ValueError:
            parts, is_good = urlsplit(""), False
        if not is_good or "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[\s\"'<>\\]", url):
            raise KitOpsError(
                "an address of MLflow is no plain http or https address", advice="write it as https://mlflow.example"
            )
        found[parts.netloc.lower()] = url.rstrip("/")
    return found


def run_page(uri: str | None, by_host: Mapping[str, str]) -> str | None:
    """Return the page of a run that a provenance names as ``mlflow://host/experiments/1/runs/…``, where it is known."""
    found = _RUN.fullmatch(uri or "")
    base = by_host.get(found[1].lower()) if found else None
    return f"{base}/#/experiments/{found[2]}/runs/{found[3]}" if found and base else None
