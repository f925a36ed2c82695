"""Passwords that stand as an argument: of a command, of a statement, of a call, of a directive.

A value here has no name of its own with a sign behind it; what it is for is said by the words around it.
"""

# What has to stay true: a command is looked for by its name, and its flags in the 300 characters behind it; an argument
# by its anchor, where its pattern is tried once, and what has to stand before it in the line 300 characters back.

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kitops_orchestration.secret_shapes.assignments import in_small_letters, is_secret_name, is_secret_value
from kitops_orchestration.secret_shapes.hit import Hit, is_masked

_REACH_CHARS = 300


@dataclass(frozen=True, slots=True)
class _Argument:
    rule: str
    kind: str
    anchor: str
    """In small letters."""
    pattern: re.Pattern[str]
    """Tried at the anchor; ``value`` is the secret, ``name`` what it is called, where it is."""
    after: re.Pattern[str] | None = None
    """What has to stand before the anchor in its line."""
    is_directive: bool = False
    """True where it counts at the beginning of a line alone."""
    is_sure: bool = False
    is_value: Callable[[str], bool] = lambda value: is_secret_value(value, is_bare=True)


def _of(rule: str, kind: str, anchor: str, pattern: str, *, after: tuple[str, ...] = (), **more: Any) -> _Argument:
    words = re.compile(rf"(?<![a-z])(?:{'|'.join(after)})(?![a-z])") if after else None
    return _Argument(rule, kind, anchor, re.compile(pattern, re.IGNORECASE), words, **more)


def _is_hash(value: str) -> bool:
    return not is_masked(value)


_WHO = r"[^\s:\"'`$<>{}\\]{1,100}"
_SHELL_VALUE = r"(?P<value>[^\s\"'`|;&<>]{6,200})"
_QUOTED = r"\\?(?P<q>[\"'])(?P<value>[^\"'\\\n]{6,200})\\?(?P=q)"
_FIRST = r"\(\s{0,20}\\?[\"'][^\"'\n\\]{1,100}\\?[\"']\s{0,4},\s{0,20}"
_BARE = r"(?P<value>[^;\"'\s]{6,200})"
_B64 = r"[A-Za-z0-9+/]"
_ARGON = rf"(?P<value>\$argon2(?:id|i|d)\$(?:v=\d{{1,3}}\$)?[mtp=,\d]{{5,40}}\${_B64}{{8,90}}\${_B64}{{20,120}})"
_CRYPT = r"[./A-Za-z0-9]"
_FLAG = r"(?<![^\s\"'`(])"
_COMMANDS = tuple(
    (word, re.compile(rf"{_FLAG}(?:{flags})"))
    for words, flags in (
        (("curl", "wget"), rf"(?:-u|--user|--proxy-user)[ =]{{0,3}}[\"']?{_WHO}:{_SHELL_VALUE}"),
        (("http", "https", "xh"), rf"(?:-a|--auth)[ =]{{1,3}}[\"']?{_WHO}:{_SHELL_VALUE}"),
        (("sshpass",), rf"-p\s{{0,3}}[\"']?{_SHELL_VALUE}"),
        (("login",), rf"-p[ =]{{1,3}}[\"']?{_SHELL_VALUE}"),
        (("mysql", "mysqldump", "mysqladmin", "mariadb"), rf"-p[\"']?(?!assword|rotocol){_SHELL_VALUE}"),
        (("openssl",), rf"pass:{_SHELL_VALUE}"),
        (("ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami"), rf"-w\s{{1,3}}[\"']?{_SHELL_VALUE}"),
        (("smbclient",), rf"(?:-U|--user)[ =]{{0,3}}[\"']?[^\s%\"']{{1,100}}%{_SHELL_VALUE}"),
        (("lftp", "ncftp"), rf"-u\s{{1,3}}[\"']?[^\s,\"']{{1,100}},{_SHELL_VALUE}"),
        (("zip", "unzip"), rf"-P\s{{0,3}}[\"']?{_SHELL_VALUE}"),
        (("rabbitmqctl",), rf"(?:add_user|change_password)\s{{1,3}}\S{{1,100}}\s{{1,3}}[\"']?{_SHELL_VALUE}"),
        (("htpasswd",), rf"-\w?b\w?\s{{1,3}}\S{{1,100}}\s{{1,3}}\S{{1,100}}\s{{1,3}}[\"']?{_SHELL_VALUE}"),
        (("convertto-securestring",), rf"(?:-String\s{{1,3}})?{_QUOTED}"),
    )
    for word in words
)
"""Commands, and the flags behind which their passwords stand."""
_ARGUMENTS = (
    _of(
        "sql-password",
        "a password of a database's user",
        "identified",
        rf"identified\s{{1,4}}(?:with\s{{1,4}}[\w'\"]{{1,60}}\s{{1,4}})?(?:by|as)\s{{1,4}}(?:password\s{{1,4}})?{_QUOTED}",
    ),
    _of(
        "sql-password",
        "a password of a database's user",
        "password",
        rf"password\s{{1,4}}{_QUOTED}",
        after=("user", "role", "login"),
    ),
    _of("call-password", "a password of a login", ".login(", rf"\.login{_FIRST}{_QUOTED}"),
    _of("call-password", "a password of a request", "auth", rf"auth\s{{0,2}}=\s{{0,2}}{_FIRST}{_QUOTED}"),
    _of("call-password", "a password of a request", "basicauth(", rf"basicauth{_FIRST}{_QUOTED}"),
    *(
        _of("connection-string", "a password of a connection string", key, key + _BARE, is_sure=True)
        for key in (";pwd=", ";password=")
    ),
    *(
        _of("directive", f"a password of {word}", word, rf"{word}[ \t]{{1,8}}[\"']?{_BARE}", is_directive=True)
        for word in ("requirepass", "masterauth", "bindpw", "rootpw")
    ),
    *(
        _of("password-hash", "a password's hash, still guessable", start, pattern, is_value=_is_hash)
        for start, pattern in (
            ("$6$", rf"(?P<value>\$6\$(?:rounds=\d{{1,9}}\$)?{_CRYPT}{{4,16}}\${_CRYPT}{{86}})(?!{_CRYPT})"),
            ("$5$", rf"(?P<value>\$5\$(?:rounds=\d{{1,9}}\$)?{_CRYPT}{{4,16}}\${_CRYPT}{{43}})(?!{_CRYPT})"),
            ("$y$", rf"(?P<value>\$y\${_CRYPT}{{2,8}}\${_CRYPT}{{8,90}}\${_CRYPT}{{43}})(?!{_CRYPT})"),
            ("$2", rf"(?P<value>\$2[aby]\$\d\d\${_CRYPT}{{53}})(?!{_CRYPT})"),
            ("$apr1$", rf"(?P<value>\$apr1\${_CRYPT}{{4,8}}\${_CRYPT}{{22}})(?!{_CRYPT})"),
            ("$argon2", _ARGON),
        )
    ),
)  # fmt: skip


def arguments(text: str) -> Iterator[Hit]:
    """Yield the passwords of commands, of SQL, of calls and directives, and hashes of passwords."""
    lower = in_small_letters(text)
    for word, flags in _COMMANDS:
        yield from _of_command(word, flags, text, lower)
    for argument in _ARGUMENTS:
        start = lower.find(argument.anchor)
        while start >= 0:
            after = start + len(argument.anchor)
            if _fits(argument, lower, start):
                match = argument.pattern.match(text, start)
                if match is not None:
                    after = match.end()
                    if _is_secret(argument, match):
                        yield _hit(argument, match, text)
            start = lower.find(argument.anchor, after)


def _of_command(word: str, flags: re.Pattern[str], text: str, lower: str) -> Iterator[Hit]:
    start = lower.find(word)
    while start >= 0:
        end = _line_end(lower, start)
        if not (lower[start - 1 : start].isalpha() or lower[start + len(word) : start + len(word) + 1].isalpha()):
            for match in flags.finditer(text, start, end):
                if is_secret_value(match["value"], is_bare=True):
                    yield *match.span("value"), "command-password", f"a password of {word}", False
        # The last of its name within reach goes on from there: no place is looked at more than twice.
        last = lower.rfind(word, start + 1, end)
        start = last if last > start else lower.find(word, max(end, start + len(word)))


def _line_end(text: str, start: int) -> int:
    """Return where the line ends, with those that it goes on with behind a backslash."""
    most = min(len(text), start + _REACH_CHARS)
    end = text.find("\n", start, most)
    while end > 0 and text[end - 1] == "\\":
        end = text.find("\n", end + 1, most)
    return end if end >= 0 else most


def _fits(argument: _Argument, lower: str, start: int) -> bool:
    if argument.is_directive:
        least = max(0, start - 40)
        begins = lower.rfind("\n", least, start) + 1
        return (begins > 0 or least == 0) and not lower[begins:start].strip()
    if argument.after is None:
        return True
    least = max(0, start - _REACH_CHARS)
    return argument.after.search(lower, max(least, lower.rfind("\n", least, start) + 1), start) is not None


def _is_secret(argument: _Argument, match: re.Match[str]) -> bool:
    named = match.groupdict().get("name")
    return argument.is_value(match["value"]) and (named is None or is_secret_name(named))


def _hit(argument: _Argument, match: re.Match[str], text: str) -> Hit:
    named = match.groupdict().get("name")
    kind = f"{argument.kind} {named}" if named else argument.kind
    start, end = match.span("value")
    # A hash behind a colon is a line of a file of users; elsewhere it may be an example.
    is_sure = argument.is_sure or (argument.rule == "password-hash" and text[max(0, start - 1) : start] == ":")
    return start, end, argument.rule, kind, is_sure
