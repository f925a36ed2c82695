"""One verb in a process of its own: what to do is read from the standard input; 0 is done, 3 an error of ours."""

from __future__ import annotations

import base64
import json
import resource
import sys
import time
from pathlib import Path

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.signing.keys import KeyPair, load_private_key

from .verbs import VERBS, Place, client_of

_FEW = 64


def main() -> int:
    """Do it."""
    told = json.load(sys.stdin)
    pem = base64.b64decode(told["key"])
    signer = load_private_key(pem)
    place = Place(told["name"], Path(told["folder"]), KeyPair(pem, signer.public_key, signer))
    if told["hardship"] == "full-disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (told["size"], told["size"]))
    if told["hardship"] == "few-files":
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FEW, _FEW))
    if told["hardship"] == "clock-back":
        made = (place.folder / "kit1" / "Kitfile").stat().st_mtime
        assert time.time() < made - 86_400, "the clock is that of the machine"
    try:
        VERBS[told["verb"]].call(client_of(told["host"]), place)
    except KitOpsError as error:
        print(f"{type(error).__name__}: {error}")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
