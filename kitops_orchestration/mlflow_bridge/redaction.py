"""What must not leave the tracking server: secrets in tags, params and URLs, found by pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

REDACTED = "[redacted]"

DEFAULT_PATTERNS: tuple[str, ...] = (
    "*password*",
    "*passwd*",
    "*secret*",
    "*credential*",
    "*api_key*",
    "*apikey*",
    "*api-key*",
    "*access_key*",
    "*private_key*",
    "*connection_string*",
    "*authorization*",
    "mlflow.source.git.diff",
    "mlflow.databricks.*",
)
"""Key patterns, matched without regard to case. ``token`` is judged by :func:`is_secret_key`."""

_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_MODEL_WORDS = re.compile(
    r"pad|bos|eos|unk|sep|cls|mask|special|max|min|num|n|total|per|count|length|len|ids?|prompt|completion"
    r"|new|input|output|size|budget"
)
"""Words beside ``token`` that make it a matter of language models: ``max_tokens``, ``pad_token_id``."""
_SECRET_QUERY = re.compile(r"(?i)sig|signature|token|key|secret|password|credential|x-amz-.*|x-goog-.*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_SECRET_VALUES = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\bhf_[A-Za-z0-9]{30,}|\bsk-[A-Za-z0-9_-]{20,}|\bdapi[0-9a-f]{32}|\bxox[abprs]-[\w-]{10,}"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
"""Tokens whose shape gives them away, wherever they stand."""


def redact(
    pairs: Mapping[str, str], *, patterns: Sequence[str] = DEFAULT_PATTERNS
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the pairs, sorted and without secrets, and the keys whose whole value was taken out."""
    clean: dict[str, str] = {}
    taken = []
    for key, value in sorted(pairs.items()):
        if is_secret_key(key, value, patterns):
            clean[key] = REDACTED
            taken.append(key)
        else:
            clean[key] = clean_value(value)
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
    """Return ``text`` without user:password in URLs, without signed query parts and known token shapes."""
    return _SECRET_VALUES.sub(REDACTED, _URL.sub(lambda match: clean_url(match.group()), text))


def clean_url(url: str) -> str:
    """Return a URL without user information and without secrets in its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
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


def _quoted(text: str) -> str:
    return quote(text, errors="replace")


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return value.lower() in {"true", "false", "none"}
    return True
