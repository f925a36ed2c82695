"""The only reader of environment variables, and the limits with their units."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration.errors import KitOpsError

MIB = 1024 * 1024
_CONF = "registries.conf"
_ENTRY = re.compile(rb"^[ \t]*(?:\[\[[ \t]*registry|registry[ \t]*=)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one client may use."""

    concurrency: int = 4
    """Blobs moved at the same time."""
    connect_timeout_seconds: float = 10.0
    silence_timeout_seconds: float = 60.0
    """Longest wait for the next byte."""
    least_bytes_per_second: int = 1024
    """Slower than this over ``silence_timeout_seconds`` of waiting is as good as silence; 0 is no limit."""
    retries: int = 5
    retry_budget_seconds: float = 300.0
    """Time that one operation may spend waiting between attempts, over all of its requests."""
    chunk_bytes: int = 64 * MIB
    """Size of one PATCH where an upload has to be chunked."""
    max_manifest_bytes: int = 4 * MIB
    max_unpacked_bytes: int | None = None
    """Refuse to unpack more than this; ``None`` bounds it by what the manifest declares."""


def env(name: str) -> str | None:
    """Return an environment variable, or ``None`` when it is unset or empty."""
    return os.environ.get(name) or None


def source_date_epoch() -> int | None:
    """Return ``SOURCE_DATE_EPOCH`` in whole seconds, the reproducible-builds clock, or ``None``."""
    text = env("SOURCE_DATE_EPOCH")
    if text is None:
        return None
    if not text.isdigit():
        raise KitOpsError(
            f"SOURCE_DATE_EPOCH is {text!r}, not a number of seconds",
            advice="set it to whole seconds since 1970, or unset it",
        )
    return int(text)


def cache_dir() -> Path:
    """Return the folder for caches: ``KITOPS_ORCHESTRATION_CACHE``, else below ``XDG_CACHE_HOME``."""
    explicit = env("KITOPS_ORCHESTRATION_CACHE")
    if explicit:
        return Path(explicit).expanduser()
    base = env("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kitops-orchestration"


def state_dir() -> Path:
    """Return the folder for what must not be lost: ``KITOPS_ORCHESTRATION_STATE``, else below ``XDG_STATE_HOME``."""
    explicit = env("KITOPS_ORCHESTRATION_STATE")
    if explicit:
        return Path(explicit).expanduser()
    base = env("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "kitops-orchestration"


def docker_config_dir() -> Path:
    """Return where Docker keeps ``config.json``: ``DOCKER_CONFIG``, else ``~/.docker``."""
    explicit = env("DOCKER_CONFIG")
    return Path(explicit) if explicit else Path.home() / ".docker"


def token_realms() -> tuple[str, ...]:
    """Return hosts of token services that get credentials of registries at other sites: ``KITOPS_TOKEN_REALMS``."""
    return tuple(item.strip().lower() for item in (env("KITOPS_TOKEN_REALMS") or "").split(",") if item.strip())


def mlflow_allowed_registries() -> tuple[str, ...] | None:
    """Return the registries that ``modelkit://`` URIs may name: ``KITOPS_MLFLOW_ALLOWED_REGISTRIES``, by commas.

    ``None`` when nobody set it: then every registry is allowed, except inside an MLflow server, which would
    otherwise connect to any host that one of its users writes into a model version.
    """
    text = env("KITOPS_MLFLOW_ALLOWED_REGISTRIES")
    if text is not None:
        return tuple(item.strip() for item in text.split(",") if item.strip())
    return () if is_mlflow_server() else None


def is_mlflow_server() -> bool:
    """Tell whether this process is (a worker of) an MLflow tracking server."""
    return any(env(name) for name in ("_MLFLOW_SERVER_FILE_STORE", "_MLFLOW_SERVER_ARTIFACT_ROOT"))


def mlflow_trust_policy() -> Path | None:
    """Return the trust policy that ``modelkit://`` loads must satisfy: ``KITOPS_MLFLOW_TRUST_POLICY``."""
    text = env("KITOPS_MLFLOW_TRUST_POLICY")
    return Path(text) if text else None


def page_templates() -> tuple[str | None, str | None]:
    """Return the addresses of a ModelKit's page and passport: ``KITOPS_MODELKIT_PAGE`` and ``KITOPS_PASSPORT_PAGE``.

    They are web addresses with ``{registry}``, ``{repository}``, ``{tag}``, ``{digest}`` and ``{reference}`` in them.
    """
    return env("KITOPS_MODELKIT_PAGE"), env("KITOPS_PASSPORT_PAGE")


def environment_of_interpreter() -> dict[str, str]:
    """Return this process's environment with the interpreter's own programs first on ``PATH``.

    For children that call programs of the same virtual environment by name, which need not be activated.
    """
    programs = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join(filter(None, (programs, env("PATH"))))}


def input_modelkit() -> tuple[str | None, str | None]:
    """Return the ModelKit that this process was started from: ``KITOPS_MODELKIT_REF`` and ``…_DIGEST``."""
    return env("KITOPS_MODELKIT_REF"), env("KITOPS_MODELKIT_DIGEST")


def kit_home() -> Path:
    """Return the Kit CLI's own folder: ``KITOPS_HOME``, else below ``XDG_DATA_HOME``."""
    home, data = env("KITOPS_HOME"), env("XDG_DATA_HOME")
    if home:
        return Path(home)
    return (Path(data) if data else Path.home() / ".local" / "share") / "kitops"


def credential_paths() -> tuple[Path, ...]:
    """Return the files that may hold registry credentials, in order: Docker's, the Kit CLI's, Podman's."""
    paths = [docker_config_dir() / "config.json", kit_home() / "credentials.json"]
    explicit, runtime, config = env("REGISTRY_AUTH_FILE"), env("XDG_RUNTIME_DIR"), env("XDG_CONFIG_HOME")
    if explicit:
        paths.append(Path(explicit))
    if runtime:
        paths.append(Path(runtime) / "containers" / "auth.json")
    paths.append((Path(config) if config else Path.home() / ".config") / "containers" / "auth.json")
    return tuple(paths)


def _config_home() -> Path:
    config = env("XDG_CONFIG_HOME")
    return Path(config) if config else Path.home() / ".config"


def certificate_folders() -> tuple[Path, ...]:
    """Return the ``certs.d`` folders, the user's before the machine's; the first that knows a registry counts."""
    home = _config_home()
    own = (home / "containers" / "certs.d", home / "docker" / "certs.d")
    return (*own, Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


def registries_files() -> tuple[Path, ...]:
    """Return the ``registries.conf`` that counts and its drop-ins, in the order they are read.

    A user's file stands for all of the machine's; without one a user's drop-ins come after the machine's.
    ``CONTAINERS_REGISTRIES_CONF`` names one file, and nothing else counts.
    """
    explicit = env("CONTAINERS_REGISTRIES_CONF")
    if explicit:
        return (Path(explicit),)
    user, machine = _config_home() / "containers" / _CONF, Path("/etc/containers") / _CONF
    mains = (user,) if user.is_file() else (machine, user)
    main = mains[:1] if mains[0].is_file() else ()
    return (*main, *(path for place in mains for path in sorted(Path(f"{place}.d").glob("*.conf"))))


def has_registry_files(registry: str) -> bool:
    """Tell whether this machine has files of Docker or Podman that may be about a registry."""
    if any((folder / registry).is_dir() for folder in certificate_folders()):
        return True
    return any(map(_has_entries, registries_files()))


def _has_entries(path: Path) -> bool:
    """Tell whether a ``registries.conf`` may be about registries; what distributions put there is about short names."""
    try:
        return _ENTRY.search(path.read_bytes()) is not None
    except OSError:
        return False


def ca_bundle_path() -> Path | None:
    """Return the certificate bundle named for Python programs: ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``."""
    text = env("REQUESTS_CA_BUNDLE") or env("CURL_CA_BUNDLE")
    return Path(text) if text else None


def client_certificate_paths() -> tuple[Path | None, Path | None]:
    """Return the client certificate and its key by the Kit CLI's ``KITOPS_CLIENT_CERT`` and ``KITOPS_CLIENT_KEY``."""
    certificate, key = env("KITOPS_CLIENT_CERT"), env("KITOPS_CLIENT_KEY")
    return Path(certificate) if certificate else None, Path(key) if key else None


def proxies() -> Mapping[str, str]:
    """Return proxies by scheme (``http``, ``https``, ``all``) and ``no``, the hosts reached without one."""
    import urllib.request  # brings http.client and ssl, which most callers of this module never need

    return urllib.request.getproxies_environment()


@dataclass(frozen=True, slots=True)
class InitEnvironment:
    """The environment of an init container: KitOps' own names."""

    reference: str | None = None
    path: str | None = None
    filters: str | None = None
    flags: str | None = None
    public_key: str | None = None
    wants_keyless: bool = False
    has_empty_key: bool = False
    """True where a key was to be given and nothing came: a Secret without the entry, for example."""


def init_environment() -> InitEnvironment:
    """Read ``MODELKIT_REF``, ``UNPACK_PATH``, ``UNPACK_FILTER``, ``EXTRA_FLAGS`` and ``COSIGN_KEY``.

    ``COSIGN_KEY_TEXT`` holds the key itself, for places that can give a secret as a variable only.
    """
    return InitEnvironment(
        env("MODELKIT_REF"),
        env("UNPACK_PATH"),
        env("UNPACK_FILTER"),
        env("EXTRA_FLAGS"),
        env("COSIGN_KEY") or env("COSIGN_KEY_TEXT"),
        bool(env("COSIGN_CERT_IDENTITY") or env("COSIGN_CERT_OIDC_ISSUER")),
        any(not os.environ[name].strip() for name in ("COSIGN_KEY", "COSIGN_KEY_TEXT") if name in os.environ),
    )
