"""``name = value``, where the name says that the value is a secret and the value looks like one."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from kitops_orchestration.secret_shapes.hit import Hit, is_masked

_KEYS = ("api", "access", "private", "fernet", "encryption", "signing", "account", "auth", "master", "subscription")
_NAMES = (
    *("pass", "pwd", "secret", "token", "credential", "_auth"),
    *(f"{kind}{joint}key" for kind in _KEYS for joint in ("", "_", "-")),
)
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.")
_NAME_CHARS = 60
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_MODEL_WORDS = frozenset(
    [
        "pad",
        "bos",
        "eos",
        "unk",
        "sep",
        "cls",
        "mask",
        "special",
        "max",
        "min",
        "num",
        "n",
        "total",
        "per",
        "count",
        "length",
        "len",
        "id",
        "ids",
        "prompt",
        "completion",
        "new",
        "input",
        "output",
        "size",
        "budget",
        "type",
        "types",
        "embeddings",
        "limit",
    ]
)
"""Words beside ``token`` that make it a matter of language models: ``max_tokens``, ``pad_token_id``."""
_HARMLESS_ENDS = frozenset(
    [
        "file",
        "files",
        "path",
        "paths",
        "dir",
        "name",
        "names",
        "env",
        "var",
        "url",
        "uri",
        "endpoint",
        "id",
        "ids",
        "ref",
        "type",
        "length",
        "len",
        "count",
        "size",
        "version",
        "ttl",
        "expiry",
        "expires",
        "expiration",
        "field",
        "header",
        "prefix",
        "suffix",
        "column",
        "regex",
        "pattern",
        "policy",
        "help",
        "label",
        "hint",
        "msg",
        "message",
        "error",
        "class",
        "provider",
        "backend",
        "source",
        "store",
        "hash",
        "digest",
        "arn",
        "alias",
        "present",
        "required",
        "enabled",
        "scope",
        "scopes",
        "key_id",
    ]
)
_OF_PASS = frozenset(
    [
        "admin",
        "api",
        "auth",
        "become",
        "bind",
        "db",
        "docker",
        "ftp",
        "git",
        "http",
        "ldap",
        "login",
        "mail",
        "mysql",
        "postgres",
        "proxy",
        "redis",
        "registry",
        "root",
        "sasl",
        "service",
        "smtp",
        "sql",
        "ssh",
        "sudo",
        "user",
    ]
)
"""Words before ``pass`` that make it a password: ``ssh_pass`` and not ``second_pass``."""
_ASSIGNED = re.compile(
    r"""["'\])]{0,3}(?:[ \t]{0,8}:[ \t]{0,4}[A-Za-z_][\w\[\]|. ]{0,40}?)?[ \t]{0,20}(?::=|=>|==|[:=])[ \t]{0,20}"""
    r"""(?:[rbfuRBFU]{0,2}(?P<quote>["'`])(?P<quoted>[^"'`\n]{8,400})(?P=quote)"""
    r"""|\\"(?P<escaped>[^"\\\n]{8,400})\\"|(?P<bare>[^\s"'`,;<>)\]{}\\=&]{8,400}={0,2}))"""
    r"""|>(?P<element>[^<>\s]{8,400})</"""
    r"""|["']\s{0,4},\s{0,20}(?P<next>["'])(?P<called>[^"'\\\n]{8,400})(?P=next)"""
    r"""|[ ]{1,4}(?P<argument>[^\s"'`,;<>)\]}\\-][^\s"'`,;<>)\]}\\]{7,400})"""
)
_IDENTIFIER = re.compile(
    r"[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[a-z]+(?:_[a-z0-9]+)+"
)
_NAME_OF_SECRET = re.compile(
    r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*-?(?:secret|credential|password|token|key)s?(?:-[a-z0-9]+)*"
)
"""``db-credentials-1``: what Kubernetes' manifests call a secret, not the secret."""
_PATH = re.compile(r"(?:~|\.{1,2})?/(?!/).*|[A-Za-z]:\\.*|[A-Za-z][A-Za-z0-9+.-]{1,20}://.*")
_PLACEHOLDER_STARTS = (
    "$",
    "<",
    "%",
    "{",
    "*",
    "[",
    "(",
    "xxx",
    "your",
    "change",
    "example",
    "dummy",
    "test",
    "none",
    "os.",
    "env",
    "self.",
    "null",
    "true",
    "false",
    "todo",
    "fixme",
    "replace",
    "insert",
    "placeholder",
    "redacted",
    "...",
    "my_",
    "my-",
    "fake",
    "sample",
)
_PLACEHOLDER_PARTS = ("${", "{{", "***", "example", "_here", "-here", "placeholder", "changeme", "redacted", "...")
_MIN_ENTROPY_BITS = 2.8
_LONG_CHARS = 24


def assignments(text: str) -> Iterator[Hit]:
    """Yield the values that only their names make secrets."""
    lower = in_small_letters(text)
    for anchor in _NAMES if "key" in lower else _NAMES[: -3 * len(_KEYS)]:
        start = lower.find(anchor)
        done = 0
        while start >= 0:
            if start >= done:
                left, right = _name_around(lower, start, len(anchor))
                done = right
                hit = _assignment(text, left, right)
                if hit is not None:
                    done = hit[1]
                    yield hit
            start = lower.find(anchor, max(done, start + len(anchor)))


def _name_around(lower: str, start: int, length: int) -> tuple[int, int]:
    left, right = start, start + length
    while left > 0 and start - left < _NAME_CHARS and lower[left - 1] in _NAME_LETTERS:
        left -= 1
    while right < len(lower) and right - start < _NAME_CHARS and lower[right] in _NAME_LETTERS:
        right += 1
    return left, right


def _assignment(text: str, left: int, right: int) -> Hit | None:
    match = _ASSIGNED.match(text, right)
    name = text[left:right].strip("-.")
    if match is None or not is_secret_name(name):
        return None
    part = next(
        part for part in ("quoted", "escaped", "bare", "element", "called", "argument") if match[part] is not None
    )
    if part == "called" and text[max(0, left - 2) : left] not in ('("', "('"):  # elsewhere it is a list
        return None
    if part == "argument" and not text[left:right].startswith("--"):
        return None
    value = match[part]
    if part == "bare" and (match.string[match.end() : match.end() + 1] == "(" or "(" in value):
        return None
    if not is_secret_value(value, is_bare=part == "bare"):
        return None
    if name.lower() == "pass" and part == "bare":  # a word of its own: a pass of a loop, of a player
        return None
    rule = "plain-assignment" if part == "bare" else "assignment"
    return match.start(part), match.end(part), rule, f"a value of {name}", False


def is_secret_name(name: str) -> bool:
    """Tell whether a name says that its value is a secret: ``db_password`` does, ``key_file`` does not."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _HARMLESS_ENDS:
        return False
    flat = "".join(words)
    if "password" in flat or "passwd" in flat or "passphrase" in flat or "credential" in flat:
        return True
    if words[-1] == "pass" and (len(words) == 1 or words[-2] in _OF_PASS):
        return True
    if words[-1] in ("pwd", "auth") or flat.endswith(("secret", "secrets", "pwd")) or "secret" in words:
        return True
    if flat.endswith("token") or "token" in words:
        return not _MODEL_WORDS.intersection(words)
    return flat.endswith("key")


def is_secret_value(value: str, *, is_bare: bool) -> bool:
    """Tell whether a value may be a secret: no placeholder, name, path or number, and of many signs."""
    lower = value.lower()
    if lower.startswith(_PLACEHOLDER_STARTS) or any(part in lower for part in _PLACEHOLDER_PARTS) or is_masked(value):
        return False
    if (
        _IDENTIFIER.fullmatch(value)
        or _NAME_OF_SECRET.fullmatch(value)
        or _PATH.fullmatch(value)
        or " " in value.strip()
    ):
        return False
    if is_bare and lower.rstrip(".,").replace(".", "", 1).replace("_", "").isdigit():
        return False
    counts = Counter(value)
    if len(counts) < 6 or not (any(sign.isdigit() for sign in value) or len(value) >= _LONG_CHARS):
        return False
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return entropy >= _MIN_ENTROPY_BITS


def in_small_letters(text: str) -> str:
    """Return the text in small letters, every character in its place."""
    lower = text.lower()
    # A few letters become two when they are small, and then places in the one are not those in the other.
    return lower if len(lower) == len(text) else re.sub(r"[^\x00-\x7f]", "?", text).lower()
