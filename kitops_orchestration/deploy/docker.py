"""Docker: a Dockerfile that bakes a ModelKit in, and a Compose file that fetches it at start."""

from __future__ import annotations

import shlex
from typing import Any

from kitops_orchestration.deploy.kubernetes import Handoff

KEY_FILE = "cosign.pub"
"""The public key beside the file that is written, where a signature is demanded."""


def dockerfile(handoff: Handoff, *, server_image: str) -> str:
    """Return a two-stage Dockerfile: unpack the pinned ModelKit, then copy the files into the server's image.

    With ``key_secret`` the build stops unless :data:`KEY_FILE`, from the build's context, verifies the signature.
    """
    filters = " ".join(f"--filter {shlex.quote(item)}" for item in handoff.filters)
    check = f"COPY {KEY_FILE} /{KEY_FILE}\nRUN kitctl verify {handoff.pinned} --key /{KEY_FILE}\n"
    return (
        f"FROM {handoff.image} AS modelkit\n"
        f"{check if handoff.key_secret else ''}"
        f"RUN kitctl unpack {handoff.pinned} -d /modelkit {filters}\n"
        "\n"
        f"FROM {server_image}\n"
        f"COPY --from=modelkit /modelkit {handoff.unpack_path}\n"
        f'LABEL ml.kitops.orchestration.modelkit="{handoff.pinned}"\n'
    )


def compose(handoff: Handoff, *, server_image: str, port: int = 8080) -> dict[str, Any]:
    """Return a Compose file: one service unpacks into a volume and ends, the server starts after it.

    With ``key_secret`` nothing is unpacked unless :data:`KEY_FILE`, beside the file, verifies the signature.
    """
    environment = {
        "MODELKIT_REF": handoff.pinned,
        "UNPACK_PATH": handoff.unpack_path,
        "UNPACK_FILTER": handoff.unpack_filter,
    }
    mount = f"modelkit:{handoff.unpack_path}"
    fetching: dict[str, Any] = {
        "image": handoff.image,
        "command": ["kitctl", "init-container"],
        "environment": environment,
        "volumes": [mount],
    }
    secrets: dict[str, Any] = {}
    if handoff.key_secret:
        environment["COSIGN_KEY"] = f"/run/secrets/{handoff.key_secret}"
        fetching["secrets"] = [handoff.key_secret]
        secrets = {"secrets": {handoff.key_secret: {"file": f"./{KEY_FILE}"}}}
    return {
        "services": {
            "modelkit": fetching,
            "server": {
                "image": server_image,
                "depends_on": {"modelkit": {"condition": "service_completed_successfully"}},
                "ports": [f"{port}:{port}"],
                "volumes": [mount + ":ro"],
            },
        },
        "volumes": {"modelkit": {}},
        **secrets,
    }
