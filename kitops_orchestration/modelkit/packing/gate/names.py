"""Files that are secret, or that nobody means to send, by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SECRET_FILES: tuple[tuple[str, str, str], ...] = (
    ("dotenv-file", "a dotenv file", r"\.env(?:\.[^/]*)?|[^/]*\.env"),
    ("netrc-file", "a netrc file with passwords", r"[._]netrc"),
    ("pgpass-file", "PostgreSQL passwords", r"\.pgpass|pgpass\.conf"),
    ("git-credentials-file", "git's stored credentials", r"\.git-credentials"),
    ("ssh-key-file", "a private SSH key", r"id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?"),
    ("kubeconfig-file", "a kubeconfig", r"kubeconfig(?:\.ya?ml)?|[^/]*\.kubeconfig"),
    ("key-store", "a store of private keys", r"[^/]*\.(?:p12|pfx|jks|keystore|kdbx|ppk)"),
    ("terraform-state", "a Terraform state, which holds secrets in plain text", r"[^/]*\.tfstate(?:\.backup)?"),
    ("htpasswd-file", "a password file", r"\.htpasswd"),
)
_SECRET_PATHS: tuple[tuple[str, str, str], ...] = (
    ("aws-credentials-file", "AWS credentials", r"\.aws/credentials"),
    ("kubeconfig-file", "a kubeconfig", r"\.kube/config"),
    ("cloud-credentials-file", "Google Cloud credentials", r"\.config/gcloud/.*|application_default_credentials\.json"),
    ("cloud-credentials-file", "Azure credentials", r"\.azure/(?:accessTokens|msal_token_cache|azureProfile)\.[^/]*"),
    ("hub-token-file", "a Hugging Face token", r"\.cache/huggingface/(?:token|stored_tokens)|\.huggingface/token"),
)
_EXAMPLES = re.compile(r".*\.(?:example|sample|template|dist|tmpl)(?:\.[^/]*)?|(?:example|sample|template)\.env", re.I)
_IF_HOLDS: tuple[tuple[str, str, str, re.Pattern[str]], ...] = (
    (
        "docker-auth",
        "a registry's credentials",
        r"(?:.*/)?(?:\.docker/config\.json|\.dockercfg|\.dockerconfigjson|\.?docker-?config\.json)",
        re.compile(r'"auth"\s*:\s*"([A-Za-z0-9+/=]{8,})"'),
    ),
    ("kaggle-key", "a Kaggle key", r"(?:.*/)?kaggle\.json", re.compile(r'"key"\s*:\s*"([0-9a-f]{32})"')),
    (
        "npm-auth",
        "npm credentials",
        r"(?:.*/)?\.(?:npmrc|yarnrc)(?:\.[^/]*)?",
        re.compile(r"_(?:auth|authToken|password)\s*=\s*([^\s$]{8,})"),
    ),
    (
        "pypi-password",
        "a password of PyPI",
        r"(?:.*/)?\.pypirc",
        re.compile(r"(?m)^\s*password\s*[=:]\s*([^\s$%]{6,})"),
    ),
    ("aws-key", "AWS credentials", r"(?:.*/)?\.aws/config", re.compile(r"aws_secret_access_key\s*=\s*(\S{16,})")),
)

_BY_NAME = [(rule, kind, re.compile(pattern, re.I)) for rule, kind, pattern in _SECRET_FILES]
_BY_PATH = [(rule, kind, re.compile(rf"(?:.*/)?(?:{pattern})", re.I)) for rule, kind, pattern in _SECRET_PATHS]
_BY_CONTENT = [(rule, kind, re.compile(pattern, re.I), content) for rule, kind, pattern, content in _IF_HOLDS]

HISTORY_FOLDERS = frozenset({".git", ".hg", ".svn", ".bzr", ".jj", "_darcs"})
"""What they hold was deleted or overwritten once, secrets among it."""
HEAP_DUMP = re.compile(r"(?:.*/)?[^/]*\.(?:hprof|dmp)")
CORE_DUMP = re.compile(r"(?:.*/)?(?:core(?:\.\d+)?|[^/]*\.core)")
_JUNK_FOLDERS = {
    "__pycache__": "Python's compiled code",
    ".venv": "a Python environment",
    "venv": "a Python environment",
    "node_modules": "packages of npm",
    ".ipynb_checkpoints": "Jupyter's copies",
    ".pytest_cache": "a cache",
    ".mypy_cache": "a cache",
    ".ruff_cache": "a cache",
    ".tox": "a Python environment",
    ".idea": "an editor's settings",
    ".vscode": "an editor's settings",
}
_JUNK_FILES = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|ehthumbs\.db|desktop\.ini|.*\.py[co]|.*\.sw[op]|.*~", re.I)


BY_PRODUCTS = frozenset(
    {"mlruns", "mlartifacts", "wandb", "lightning_logs", "runs", "mlflow.db", "optimizer.pt", "scheduler.pt"}
)
"""What training leaves beside a model, by the name of the file or folder; some people want it packed."""


@dataclass(frozen=True, slots=True)
class Junk:
    """Something that tools leave in folders."""

    path: str
    """The folder with a ``/`` behind it, or the file."""
    pattern: str
    """The line of ``.kitignore`` that leaves all of its kind out."""
    kind: str


def secret_by_name(path: str) -> tuple[str, str] | None:
    """Return rule and kind of a file that is secret whatever is in it; examples of such files are not."""
    name = path.rsplit("/", 1)[-1]
    if _EXAMPLES.fullmatch(name):
        return None
    for rule, kind, pattern in _BY_NAME:
        if pattern.fullmatch(name):
            return rule, kind
    return next(((rule, kind) for rule, kind, pattern in _BY_PATH if pattern.fullmatch(path)), None)


def secrets_by_content(path: str, text: str) -> list[tuple[str, str, int, int]]:
    """Return rule, kind, start and end of values that only the file's name makes secrets."""
    return [
        (rule, kind, match.start(1), match.end(1))
        for rule, kind, names, content in _BY_CONTENT
        if names.fullmatch(path)
        for match in content.finditer(text)
    ]


def history_folder(path: str) -> str | None:
    """Return the version control's folder that a file lies in, with a ``/`` behind it."""
    parts = path.split("/")
    for depth, part in enumerate(parts[:-1], 1):
        is_bare = part.endswith(".git") and parts[depth] in ("objects", "packed-refs")
        if part.lower() in HISTORY_FOLDERS or is_bare:
            return "/".join(parts[:depth]) + "/"
    return None


def junk_of(path: str) -> Junk | None:
    """Return what tools left that a file belongs to, the outermost folder first."""
    parts = path.split("/")
    for depth, part in enumerate(parts[:-1], 1):
        kind = _JUNK_FOLDERS.get(part)
        if kind is not None:
            return Junk("/".join(parts[:depth]) + "/", f"**/{part}", kind)
    if "/.cache/huggingface/" in f"/{path}":
        return Junk(
            path[: path.index(".cache/")] + ".cache/huggingface/", "**/.cache/huggingface", "a download's notes"
        )
    if _JUNK_FILES.fullmatch(parts[-1]):
        suffix = parts[-1].rpartition(".")[2]
        is_kind = parts[-1].endswith((".pyc", ".pyo", ".swp", ".swo"))
        pattern = f"**/*.{suffix}" if is_kind else f"**/{'._*' if parts[-1].startswith('._') else parts[-1]}"
        return Junk(path, pattern, "left by a tool")
    return None
