"""Docker: a Dockerfile that bakes a ModelKit in, and a Compose file that fetches it at start."""

from __future__ import annotations

from typing import Any

from kitops_orchestration.deploy.kubernetes import Handoff


def dockerfile(handoff: Handoff, *, server_image: str) -> str:
    """Return a two-stage Dockerfile: unpack the pinned ModelKit, then copy the files into the server's image."""
    filters = " ".join(f"--filter {item}" for item in handoff.filters)
    return (
        f"FROM {handoff.image} AS modelkit\n"
        f"RUN kitctl unpack {handoff.pinned} -d /modelkit {filters}\n"
        "\n"
        f"FROM {server_image}\n"
        f"COPY --from=modelkit /modelkit {handoff.unpack_path}\n"
        f'LABEL ml.kitops.orchestration.modelkit="{handoff.pinned}"\n'
    )


def compose(handoff: Handoff, *, server_image: str, port: int = 8080) -> dict[str, Any]:
    """Return a Compose file: one service unpacks into a volume and ends, the server starts after it."""
    environment = {
        "MODELKIT_REF": handoff.pinned,
        "UNPACK_PATH": handoff.unpack_path,
        "UNPACK_FILTER": ",".join(handoff.filters),
    }
    mount = f"modelkit:{handoff.unpack_path}"
    return {
        "services": {
            "modelkit": {
                "image": handoff.image,
                "command": ["kitctl", "init-container"],
                "environment": environment,
                "volumes": [mount],
            },
            "server": {
                "image": server_image,
                "depends_on": {"modelkit": {"condition": "service_completed_successfully"}},
                "ports": [f"{port}:{port}"],
                "volumes": [mount + ":ro"],
            },
        },
        "volumes": {"modelkit": {}},
    }
