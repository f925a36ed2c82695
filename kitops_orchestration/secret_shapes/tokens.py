"""Tokens and keys whose shape gives them away."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import commonprefix

from kitops_orchestration.secret_shapes.hit import Hit, is_masked


@dataclass(frozen=True, slots=True)
class _Shape:
    rule: str
    kind: str
    anchor: str
    pattern: re.Pattern[str]
    """Tried ``lead`` characters before the anchor; its group 1, if it has one, is the value."""
    lead: int = 0
    joins: bool = False
    """True where letters may stand right before the anchor."""


def _token(rule: str, kind: str, anchor: str, rest: str, *, joins: bool = False, lead: int = 0) -> _Shape:
    return _Shape(rule, kind, anchor, re.compile(rest), lead, joins)


_WORD_END = r"(?![A-Za-z0-9_])"
_SHAPES = (
    *(
        _token("aws-access-key", "an AWS access key id", start, rf"{start}[A-Z2-7]{{16}}(?![A-Za-z0-9])")
        for start in ("AKIA", "ASIA")
    ),
    *(
        _token("github-token", "a GitHub token", f"gh{sign}_", rf"gh{sign}_[A-Za-z0-9]{{36,251}}{_WORD_END}")
        for sign in "pousr"
    ),
    _token("github-token", "a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{40,255}"),
    *(
        _token("gitlab-token", "a GitLab token", f"{start}-", rf"{start}-[A-Za-z0-9_.-]{{20,300}}")
        for start in ("glpat", "gldt", "glrt", "glcbt", "glptt", "glsoat", "glft", "glagent", "glimt")
    ),
    _token("hugging-face-token", "a Hugging Face token", "hf_", rf"hf_[A-Za-z]{{34}}{_WORD_END}"),
    _token("hugging-face-token", "a Hugging Face token", "api_org_", rf"api_org_[A-Za-z]{{34}}{_WORD_END}"),
    _token("npm-token", "an npm token", "npm_", rf"npm_[A-Za-z0-9]{{36}}{_WORD_END}"),
    _token("google-api-key", "a Google API key", "AIza", r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _token("google-oauth", "a Google client secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}(?![A-Za-z0-9_-])"),
    _token("google-oauth", "a Google access token", "ya29.", r"ya29\.[A-Za-z0-9_-]{30,1000}"),
    *(
        _token("stripe-key", "a Stripe key", f"{sign}k_live_", rf"{sign}k_live_[A-Za-z0-9]{{20,250}}{_WORD_END}")
        for sign in "sr"
    ),
    *(_token("slack-token", "a Slack token", f"xox{sign}-", rf"xox{sign}-[A-Za-z0-9-]{{20,250}}") for sign in "abeprs"),
    _token("slack-token", "a Slack app token", "xapp-", r"xapp-[0-9]-[A-Za-z0-9-]{30,250}"),
    _token(
        "slack-webhook",
        "a Slack webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{20,200})",
        joins=True,
    ),
    _token(
        "discord-webhook",
        "a Discord webhook",
        "/api/webhooks/",
        r"(?<=\.com)/api/webhooks/([0-9]{15,22}/[\w-]{50,100})",
        joins=True,
    ),
    _token(
        "ai-api-key",
        "an API key of an AI service",
        "sk-",
        r"sk-(?:(?:proj|ant|svcacct|admin|or|lf|None)-)?(?=[A-Za-z0-9_-]{0,60}[0-9])[A-Za-z0-9_-]{32,300}",
    ),
    _token("groq-key", "a Groq key", "gsk_", rf"gsk_[A-Za-z0-9]{{40,60}}{_WORD_END}"),
    _token("xai-key", "an xAI key", "xai-", rf"xai-[A-Za-z0-9]{{70,90}}{_WORD_END}"),
    _token("perplexity-key", "a Perplexity key", "pplx-", rf"pplx-[A-Za-z0-9]{{40,60}}{_WORD_END}"),
    _token("replicate-token", "a Replicate token", "r8_", rf"r8_[A-Za-z0-9]{{37}}{_WORD_END}"),
    _token("langsmith-key", "a LangSmith key", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    _token("nvidia-key", "an NVIDIA key", "nvapi-", r"nvapi-[A-Za-z0-9_-]{60,80}"),
    _token("sentry-token", "a Sentry token", "sntry", r"sntry[su]_[A-Za-z0-9_=+/-]{64,400}"),
    _token("tailscale-key", "a Tailscale key", "tskey-", r"tskey-[a-z]{2,12}-[A-Za-z0-9]{10,40}-[A-Za-z0-9]{20,64}"),
    _token("pinecone-key", "a Pinecone key", "pcsk_", r"pcsk_[A-Za-z0-9_]{50,90}"),
    _token("wandb-key", "a Weights & Biases key", "wandb_v1_", r"wandb_v1_[A-Za-z0-9_]{40,120}"),
    _token("pypi-token", "a PyPI token", "pypi-AgE", r"pypi-AgE[A-Za-z0-9_-]{50,400}"),
    _token("rubygems-key", "a RubyGems key", "rubygems_", rf"rubygems_[0-9a-f]{{48}}{_WORD_END}"),
    _token("docker-token", "a Docker Hub token", "dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,60}"),
    _token("databricks-token", "a Databricks token", "dapi", rf"dapi[0-9a-f]{{32}}(?:-[0-9])?{_WORD_END}"),
    _token("sendgrid-key", "a SendGrid key", "SG.", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"),
    _token("digitalocean-token", "a DigitalOcean token", "do", r"do[opr]_v1_[0-9a-f]{64}(?![A-Za-z0-9_])"),
    *(_token("vault-token", "a Vault token", f"hv{sign}.", rf"hv{sign}\.[A-Za-z0-9_-]{{24,300}}") for sign in "sbr"),
    _token(
        "terraform-token", "a Terraform Cloud token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,70}", lead=14
    ),
    *(
        _token("shopify-token", "a Shopify token", f"shp{kind}_", rf"shp{kind}_[0-9a-fA-F]{{32}}{_WORD_END}")
        for kind in ("at", "ca", "pa", "ss")
    ),
    _token("grafana-token", "a Grafana token", "glsa_", r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}"),
    _token("grafana-token", "a Grafana token", "glc_", r"glc_[A-Za-z0-9+/]{32,400}={0,2}"),
    _token("new-relic-key", "a New Relic key", "NRAK-", r"NRAK-[A-Z0-9]{27}(?![A-Za-z0-9])"),
    _token("linear-key", "a Linear key", "lin_api_", rf"lin_api_[A-Za-z0-9]{{40}}{_WORD_END}"),
    _token("notion-token", "a Notion token", "ntn_", rf"ntn_[A-Za-z0-9]{{40,50}}{_WORD_END}"),
    _token("postman-key", "a Postman key", "PMAK-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _token("telegram-token", "a Telegram bot token", ":AA", r"(?<=[0-9]{8}):(AA[\w-]{33})(?![\w-])", joins=True),
    _token("jwt", "a signed token (JWT)", "eyJ", r"eyJ[\w-]{7,2000}\.eyJ[\w-]{7,8000}\.[\w-]{20,1000}"),
    _token("azure-key", "an Azure account key", "AccountKey=", r"AccountKey=([A-Za-z0-9+/]{40,100}={0,2})", joins=True),
    _token(
        "azure-key",
        "an Azure access key",
        "SharedAccessKey=",
        r"SharedAccessKey=([A-Za-z0-9+/]{40,100}={0,2})",
        joins=True,
    ),
    _token("azure-sas", "a signed URL (SAS)", "sig=", r"(?<=[?&;])sig=([A-Za-z0-9%+/]{30,200})", joins=True),
    _token(
        "azure-secret",
        "an Azure client secret",
        "Q~",
        r"(?<![\w.~-])[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{31,34}(?![\w.~-])",
        lead=4,
        joins=True,
    ),
    _token(
        "kubernetes-key",
        "a Kubernetes client key",
        "client-key-data:",
        r"client-key-data: {0,4}([A-Za-z0-9+/=]{100,10000})",
    ),
    _token("age-key", "an age private key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _token("private-key", "a PuTTY private key", "PuTTY-User-Key-File-", r"PuTTY-User-Key-File-[23]: [\w-]{3,30}"),
    _token(
        "netrc",
        "a password of a netrc line",
        "machine ",
        r"machine \S{1,200}\s{1,8}login \S{1,200}\s{1,8}password (\S{4,200})",
    ),
    _token(
        "auth-header",
        "credentials of an Authorization header",
        "uthorization",
        r"uthorization[\"']?\s{0,4}[:=,]\s{0,4}[\"']?[Bb]asic\s{1,4}([A-Za-z0-9+/]{12,500}={0,2})",
        joins=True,
    ),
    _token(
        "auth-header",
        "a bearer token of an Authorization header",
        "uthorization",
        r"uthorization[\"']?\s{0,4}[:=,]\s{0,4}f?[\"']?[Bb]earer\s{1,4}"
        r"(?=[\w.~+/-]{0,60}[0-9])([\w.~+/-]{20,2000}={0,2})",
        joins=True,
    ),
    *(
        _token(
            "wandb-key",
            "a Weights & Biases key",
            name,
            rf"{name}[\w.\s'\"(=:,-]{{0,40}}?(?<![0-9a-zA-Z])([0-9a-f]{{40}}){_WORD_END}",
            joins=True,
        )
        for name in ("wandb", "WANDB")
    ),
    _token(
        "private-key",
        "a private key",
        "-----BEGIN ",
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:\\+[nr]|[\s\"'+,\\]){0,40}(?:[A-Za-z-]{3,20}: [^\n\\]{0,80}(?:\\+[nr]|\s){1,8}){0,4}"
        r"[A-Za-z0-9+/]{16,8000}"
        r"|[ \t]{0,4}\r?\n(?![ \t]{0,8}(?:\.\.\.|<|\[)))",
        joins=True,
    ),
)


_SIGNS = "_-/=~."


def _grouped() -> tuple[tuple[str, str, tuple[_Shape, ...]], ...]:
    """Put shapes whose anchors begin alike behind their common beginning, and behind a sign that all of them have.

    Most texts then need few of the searches: a table of numbers has none of the signs.
    """
    groups: dict[tuple[str, str], list[_Shape]] = defaultdict(list)
    for shape in _SHAPES:
        sign = next((sign for sign in _SIGNS if sign in shape.anchor), "")
        groups[sign, shape.anchor[:2]].append(shape)
    return tuple(
        (sign, commonprefix([shape.anchor for shape in group]), tuple(group))  # noqa: RUF071 - texts, not paths
        for (sign, _), group in groups.items()
    )


_GROUPS = _grouped()


def tokens(text: str) -> Iterator[Hit]:
    """Yield every token and key of a text."""
    present = {"", *(sign for sign in _SIGNS if sign in text)}
    for sign, beginning, shapes in _GROUPS:
        if sign in present and beginning in text:
            for shape in shapes:
                yield from _of_shape(shape, text)


def _of_shape(shape: _Shape, text: str) -> Iterator[Hit]:
    start = text.find(shape.anchor)
    while start >= 0:
        match = _match(shape, text, start)
        after = start + len(shape.anchor)
        if match is not None:
            value = 1 if match.re.groups else 0
            if not is_masked(match.group(value)):
                yield match.start(value), match.end(value), shape.rule, _kind(shape, match), True
            after = max(after, match.end())
        start = text.find(shape.anchor, after)


def _match(shape: _Shape, text: str, start: int) -> re.Match[str] | None:
    if shape.lead:
        return shape.pattern.match(text, start - shape.lead) if start >= shape.lead else None
    return shape.pattern.match(text, start) if shape.joins or _begins_word(text, start) else None


def _begins_word(text: str, start: int) -> bool:
    before = text[start - 1 : start]
    if not (before.isalnum() or before == "_"):
        return True
    return before in "ntr" and text[start - 2 : start - 1] == "\\"  # the letter of "\n" in an escaped string


def _kind(shape: _Shape, match: re.Match[str]) -> str:
    if shape.rule == "private-key" and "ENCRYPTED" in match.group()[:60]:
        return "a private key (encrypted, still guessable)"
    return shape.kind
