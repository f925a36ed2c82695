"""What must not leave the tracking server: secrets in tags, params, URLs and texts.

The shapes are those of :mod:`kitops_orchestration.secret_shapes`, which the gate of packing uses as well.  Redaction
takes more than they find: nobody misses a value that only looks like a secret, so options (``--token X``), short
passwords and all user information of URLs go too, and a private key goes whole.  Every pattern starts at the beginning
of a run of its letters and has bounded repeats: the time grows with the length of a text and not with its square.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from kitops_orchestration import secret_shapes

REDACTED = secret_shapes.REDACTED

DEFAULT_PATTERNS: tuple[str, ...] = (
    "*password*",
    "*passwd*",
    "*secret*",
    "*credential*",
    "*api_key*",
    "*apikey*",
    "*api-key*",
    "*access_key*",
    "*accesskey*",
    "*access-key*",
    "*account_key*",
    "*accountkey*",
    "*private_key*",
    "*private-key*",
    "*connection_string*",
    "*authorization*",
    "mlflow.source.git.diff",
    "mlflow.databricks.*",
)
"""Key patterns, matched without regard to case. ``token`` is judged by :func:`is_secret_key`."""

_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_MODEL_WORDS = re.compile(
    r"pad|bos|eos|unk|sep|cls|mask|special|max|min|num|n|total|per|count|length|len|ids?|prompt|completion"
    r"|new|input|output|size|budget|types?"
)
"""Words beside ``token`` that make it a matter of language models: ``max_tokens``, ``pad_token_id``."""
_SECRET_QUERY = re.compile(r"(?i)sig|signature|token|key|secret|password|credential|x-amz-.*|x-goog-.*")
_URL = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,40}://[^\s\"'<>]+")
_USER = re.compile(r"(?<=://)[^\s/@\"'<>]{1,400}@")
_SECRET_VALUES = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\bhf_[A-Za-z0-9]{30,}|\bnpm_[A-Za-z0-9]{30,}|\bAIza[\w-]{30,}|\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"
    r"|\bsk-(?=[A-Za-z_-]{0,60}[0-9])[A-Za-z0-9_-]{20,}|\bdapi[0-9a-f]{32}|\bxox[abeprs]-[\w-]{10,}"
    r"|(?<=hooks\.slack\.com/services/)[\w/-]{8,}|(?<=hooks\.slack\.com/workflows/)[\w/-]{8,}"
    r"|(?<=webhook\.office\.com/webhookb2/)[\w/@-]{8,}"
    r"|(?<=discord\.com/api/webhooks/)[\w/-]{8,}|(?<=discordapp\.com/api/webhooks/)[\w/-]{8,}"
    r"|(?<![\w-])eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+"
)
"""Tokens whose shape gives them away, also those that the shared shapes take for a placeholder or an older form."""
_NAMED = re.compile(
    r"(?<![\w.-])(?P<option>--?[A-Za-z][\w-]{0,60})(?:=|\s{1,8})(?!-)"
    r"(?P<given>\"[^\"\n]{1,400}\"|'[^'\n]{1,400}'|[^\s\"']{1,400})"
    r"|(?<![\w.-])(?P<name>[A-Za-z_][\w.-]{0,60})=(?P<value>\"[^\"\n]{1,400}\"|'[^'\n]{1,400}'|[^\s\"'&;,]{1,400})"
    r"|(?<![\w.-])(?P<field>(?i:[a-z0-9_.-]{0,60}?(?:passw(?:or)?d|passwd|pwd|api_?key|access_?key|client_?secret))):"
    r"[ \t]{1,4}(?P<entry>[^\s\"',;]{1,400})"
    r"|(?<=[\"'])(?P<key>[A-Za-z_][\w.-]{0,60})\\?[\"']\s{0,4}:\s{0,4}\\?[\"'](?P<text>[^\"'\\]{1,400})"
)
_SCHEMES = re.compile(r"(?i)\b(basic|bearer)(\s{1,4})([A-Za-z0-9+/._~-]{8,2000}={0,2})")
_COOKIES = re.compile(r"(?i)(?<![\w-])((?:set-)?cookie:[ \t]{1,4})[^\s\"'][^\r\n\"']{0,4000}")
_DATABASE_PASSWORD = re.compile(r"(?i)(;[ \t]{0,4}pwd[ \t]{0,4}=[ \t]{0,4})(?:\{[^}]{1,400}\}|[^;\s\"']{1,400})")
"""In an ODBC connection string, after its driver or server: the variable ``PWD`` of a shell is a folder."""
_AUTH_KEYS = frozenset({"auth", "_auth", "identitytoken", "registrytoken"})
_KEY_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_KEY_MARK, _KEY_END = "-----BEGIN ", "-----END "


def redact(
    pairs: Mapping[str, str], *, patterns: Sequence[str] = DEFAULT_PATTERNS
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the pairs, sorted and without secrets, and the keys whose value was taken out, in whole or in part."""
    clean: dict[str, str] = {}
    taken = []
    for key, value in sorted(pairs.items()):
        clean[key] = REDACTED if is_secret_key(key, value, patterns) else clean_value(value)
        if clean[key] != value:
            taken.append(key)
    return clean, tuple(taken)


def is_secret_key(key: str, value: str, patterns: Sequence[str] = DEFAULT_PATTERNS) -> bool:
    """Tell whether a key names a secret; a number is no token (``max_tokens: 512``)."""
    lower = key.lower()
    if any(fnmatchcase(lower, pattern.lower()) for pattern in patterns):
        return True
    words = {word.lower() for word in _WORDS.findall(key)}
    if not words & {"token", "tokens"} or any(map(_MODEL_WORDS.fullmatch, words)):
        return False
    return not _is_number(value)


def clean_value(text: str) -> str:
    """Return ``text`` without private keys, credentials in URLs, options and assignments, and known token shapes."""
    clean = _without_private_keys(text)
    clean = _URL.sub(lambda match: clean_url(match.group()), clean)
    clean = _USER.sub("", clean)
    clean = _SECRET_VALUES.sub(REDACTED, clean)
    clean = _NAMED.sub(_without_named, clean)
    clean = _SCHEMES.sub(_without_credentials, clean)
    for pattern in (_COOKIES, _DATABASE_PASSWORD):
        clean = pattern.sub(lambda match: match[1] + REDACTED, clean)
    return secret_shapes.redact(clean)


def clean_content(text: str) -> str:
    """Return the text of a file without what surely is a secret.

    Less than :func:`clean_value` takes: programs read it.  Variables (``https://${USER}:${PASSWORD}@host``) stay.
    """
    clean = _USER.sub(lambda match: "" if _is_login(match) else match.group(), _without_private_keys(text))
    pieces, done = [], 0
    for finding in secret_shapes.find(clean):
        if finding.is_sure:
            pieces += [clean[done : finding.start], REDACTED]
            done = finding.end
    return "".join([*pieces, clean[done:]])


def clean_url(url: str) -> str:
    """Return a URL without user information and without secrets in its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return _USER.sub("", url)
    host = parts.netloc.rpartition("@")[2]
    query = parts.query
    if any(_SECRET_QUERY.fullmatch(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
        query = "&".join(
            f"{_quoted(name)}={REDACTED if _SECRET_QUERY.fullmatch(name) else _quoted(value)}"
            for name, value in parse_qsl(query, keep_blank_values=True)
        )
    if host == parts.netloc and query == parts.query:
        return url
    return urlunsplit(parts._replace(netloc=host, query=query))


def _without_private_keys(text: str) -> str:
    """Cut every private key from its first line to its last; one without an end goes to the end of the text."""
    pieces, done = [], 0
    start = text.find(_KEY_MARK)
    while start >= 0:
        begin = _KEY_BEGIN.match(text, start)
        if begin is None:
            start = text.find(_KEY_MARK, start + len(_KEY_MARK))
            continue
        pieces += [text[done:start], REDACTED]
        end = text.find(_KEY_END, begin.end())
        last = text.find("-----", end + len(_KEY_END)) if end >= 0 else -1
        done = last + len("-----") if last >= 0 else len(text)
        start = text.find(_KEY_MARK, done)
    return "".join([*pieces, text[done:]])


def _without_named(match: re.Match[str]) -> str:
    """Take the value of an option, an assignment or a JSON member out when its name says that it is a secret."""
    groups = {"option": "given", "name": "value", "field": "entry", "key": "text"}
    named, group = next((name, value) for name, value in groups.items() if match[name] is not None)
    name = match[named]
    value = match[group].strip("\"'")
    if value == REDACTED or not (_is_auth(name, value) or is_secret_key(name.lstrip("-"), value)):
        return match.group()
    start, end = match.span(group)
    return match.string[match.start() : start] + REDACTED + match.string[end : match.end()]


def _is_auth(name: str, value: str) -> bool:
    """Tell whether this is what Docker and npm keep: a login in base64."""
    return name.lower() in _AUTH_KEYS and (":" in _decoded(value) or len(value) >= 20)


def _without_credentials(match: re.Match[str]) -> str:
    scheme, space, value = match.groups()
    is_one = ":" in _decoded(value) if scheme.lower() == "basic" else any(letter.isdigit() for letter in value)
    return f"{scheme}{space}{REDACTED}" if is_one else match.group()


def _is_login(match: re.Match[str]) -> bool:
    user = match.group()
    if any(sign in user for sign in "${<%*"):
        return False
    scheme = re.search(r"[A-Za-z0-9+.-]{1,40}$", match.string[max(0, match.start() - 43) : match.start() - 3])
    return ":" in user or (scheme is not None and scheme.group().endswith(("http", "https")))


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _quoted(text: str) -> str:
    return quote(text, errors="replace")


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return value.lower() in {"true", "false", "none"}
    return True
