"""Folders with and without secrets, made on the spot: no value here was ever valid, and none stands in a file.

Every value is drawn from a seeded generator and joined from pieces, so that scanners of this repository stay quiet.
``PLANTED`` are kinds that public reports name; ``HELD_OUT`` are others, by the same authors as the rules;
``INNOCENT`` looks like secrets to rules by entropy; ``PLACEHOLDERS`` have their shapes and no value.
"""

# ruff: noqa: E501 - one line of a table is one file

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LETTERS = string.ascii_letters
DIGITS = string.digits
WORD = LETTERS + DIGITS
HEX = "0123456789abcdef"
BASE64 = WORD + "+/"
URL64 = WORD + "-_"
DASHES = "-" * 5


@dataclass(frozen=True)
class Planted:
    """A file with one secret."""

    path: str
    secret: str
    text: str

    @property
    def line(self) -> int:
        """Where the secret begins, counted from 1."""
        escaped = json.dumps(self.secret)[1:-1]
        at = self.text.find(self.secret) if self.secret in self.text else self.text.find(escaped)
        assert at >= 0, self.path
        return self.text.count("\n", 0, at) + 1


def draw(name: str, count: int, letters: str = WORD) -> str:
    """Return ``count`` letters that depend on the name alone, a digit among them where digits are allowed."""
    chosen = random.Random(f"corpus of {name}")
    text = "".join(chosen.choice(letters) for _ in range(count))
    return text if not set(letters) & set(DIGITS) else text[: count // 2] + "7" + text[count // 2 + 1 :]


def secret_bytes(name: str, count: int) -> bytes:
    return random.Random(f"bytes of {name}").randbytes(count)


def pem(words: str, name: str, count: int) -> str:
    body = base64.b64encode(secret_bytes(name, count)).decode()
    rows = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"{DASHES}BEGIN {words}{DASHES}\n{rows}\n{DASHES}END {words}{DASHES}\n"


def signed_token(name: str) -> str:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return ".".join(
        [part({"alg": "RS256", "kid": name}), part({"iss": "https://id.test", "sub": name}), draw(name, 86, URL64)]
    )


def notebook(source: list[str], output: list[str]) -> str:
    outputs = [{"output_type": "stream", "name": "stderr", "text": output}] if output else []
    cell = {"cell_type": "code", "id": "c1", "execution_count": 3, "metadata": {}, "source": source, "outputs": outputs}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}, indent=1)


PRIVATE = "PRIVATE" + " KEY"
PASSWORD = "Bl4uer-" + draw("password", 9) + "!"
PLAIN_PASSWORD = "Gr3en" + draw("plain password", 8)
BASIC = base64.b64encode(b"ci-bot:" + draw("basic", 17).encode()).decode()
HUB = "hf" + "_" + draw("hub", 34, LETTERS)
GITLAB = "gl" + "pat-" + draw("gitlab", 20, URL64)
OPENAI = "sk" + "-proj-" + draw("openai", 140, URL64)
AWS_ID = "AK" + "IA" + draw("aws id", 16, string.ascii_uppercase + "234567")
AWS_SECRET = draw("aws secret", 40, BASE64)
JWT = signed_token("service-7")


def _planted() -> Iterator[Planted]:
    def plant(path: str, secret: str, before: str, after: str = "\n") -> Planted:
        return Planted(path, secret, before + secret + after)

    yield plant(".env", PASSWORD, "LOG_LEVEL=info\nPORT=8080\nPOSTGRES_PASSWORD=")
    yield plant("deploy/live.env", draw("minio", 28), "S3_URL=http://s3:9000\nMINIO_SECRET_KEY=")
    key = base64.b64encode(pem("RSA " + PRIVATE, "cluster", 500).encode()).decode()
    yield plant("kubeconfig", key, "apiVersion: v1\nkind: Config\nusers:\n- name: ops\n  user:\n    client-key-data: ")
    yield plant(".kube/config", JWT, "apiVersion: v1\nkind: Config\nusers:\n- name: bot\n  user:\n    token: ")
    yield plant(".netrc", PASSWORD, "machine models.test\nlogin ada\npassword ")
    yield plant(".npmrc", "npm" + "_" + draw("npm", 36), "//registry.test/:_authToken=")
    yield plant("web/.npmrc", BASIC, "always-auth=true\n_auth=")
    yield plant(
        ".pypirc", "pypi" + "-AgEIcHlwaS5vcmc" + draw("pypi", 130, URL64), "[pypi]\nusername = __token__\npassword = "
    )
    yield plant(".docker/config.json", BASIC, '{\n "auths": {\n  "registry.test": {"auth": "', '"}\n }\n}\n')
    yield plant(".aws/credentials", AWS_SECRET, f"[train]\naws_access_key_id={AWS_ID}\naws_secret_access_key=")
    yield plant("aws.ini", AWS_ID, "[train]\nid = ")
    yield Planted(".ssh/id_ed25519", f"{DASHES}BEGIN OPENSSH {PRIVATE}", pem("OPENSSH " + PRIVATE, "ssh", 300))
    yield Planted(
        "tls/server.pem", f"{DASHES}BEGIN {PRIVATE}", pem("CERTIFICATE", "cert", 700) + pem(PRIVATE, "tls", 1200)
    )
    yield Planted("ec.key", f"{DASHES}BEGIN EC {PRIVATE}", pem("EC " + PRIVATE, "ec", 120))
    for words in ("ENCRYPTED SIGSTORE ", "ENCRYPTED COSIGN "):
        yield Planted(
            f"{words.split()[1].lower()}.key", f"{DASHES}BEGIN {words}{PRIVATE}", pem(words + PRIVATE, words, 430)
        )
    yield Planted(
        "cosign.key", f"{DASHES}BEGIN ENCRYPTED SIGSTORE {PRIVATE}", pem(f"ENCRYPTED SIGSTORE {PRIVATE}", "cosign", 430)
    )
    account = {
        "type": "service_account",
        "private_key_id": draw("gcp", 40, HEX),
        "private_key": pem(PRIVATE, "gcp", 1200),
    }
    yield Planted("gcp.json", f"{DASHES}BEGIN {PRIVATE}", json.dumps(account, indent=1))
    yield Planted("look.ipynb", HUB, notebook(["print(t)\n"], ["loading\n", f"token is {HUB}\n"]))
    yield Planted(
        "ask.ipynb", OPENAI, notebook(["import openai\n", f'client = openai.OpenAI(api_key="{OPENAI}")\n'], [])
    )
    yield plant("requirements.txt", PLAIN_PASSWORD, "numpy>=2\n--index-url https://build:", "@wheels.test/simple\n")
    yield plant(
        "conda.yaml", GITLAB, "dependencies:\n- pip:\n  - --extra-index-url https://__token__:", "@git.test/simple\n"
    )
    hook = (
        "T"
        + draw("h1", 9, string.ascii_uppercase)
        + "/B"
        + draw("h2", 9, string.ascii_uppercase)
        + "/"
        + draw("h3", 24)
    )
    yield plant("alert.py", hook, 'URL = "https://hooks.sl' + "ack.com/services/", '"\n')
    slack = "xo" + "xb-" + draw("x1", 12, DIGITS) + "-" + draw("x2", 13, DIGITS) + "-" + draw("x3", 24)
    yield plant("slack.py", slack, "from slack_sdk import WebClient\nWebClient('", "')\n")
    azure = base64.b64encode(secret_bytes("azure", 64)).decode()
    yield plant(
        "storage.yaml",
        azure,
        "url: DefaultEndpointsProtocol=https;AccountName=ml;Account" + "Key=",
        ";EndpointSuffix=x\n",
    )
    yield plant("link.txt", draw("sas", 43) + "%3D", "https://ml.blob.test/m/a.bin?sv=2024-01-01&sp=r&sig=")
    yield plant("maps.js", "AI" + "za" + draw("maps", 35, URL64), "const k = '", "';\n")
    yield plant("pay.toml", "sk" + "_live_" + draw("stripe", 24), '[pay]\nkey = "', '"\n')
    yield plant("clone.sh", "gh" + "p_" + draw("github", 36), "git clone https://", "@github.com/team/a.git\n")
    fine = "github" + "_pat_" + draw("fine 1", 22) + "_" + draw("fine 2", 59)
    yield plant(".git/config", fine, '[remote "origin"]\n\turl = https://ada:', "@github.com/team/a.git\n")
    yield plant("fetch.py", HUB, "from huggingface_hub import login\nlogin('", "')\n")
    yield plant("ci.yml", GITLAB, "variables:\n  PUSH: ")
    yield plant("call.http", JWT, "GET /me\nAuthorization: Bearer ")
    yield plant("call.sh", BASIC, "curl -H 'Authorization: Basic ", "' https://api.test\n")
    yield plant("db.py", PLAIN_PASSWORD, 'URL = "postgresql://mlflow:', '@db.test:5432/mlflow"\n')
    yield plant("mongo.yaml", PLAIN_PASSWORD, "uri: mongodb+srv://svc:", "@c0.mongo.test/x\n")
    yield plant("wb.py", draw("wandb", 40, HEX), 'import wandb\nwandb.login(key="', '")\n')
    yield plant("wb.sh", draw("wandb", 40, HEX), "export WANDB_API_KEY=")
    old = "sk" + "-" + draw("old 1", 20) + "T3" + "BlbkFJ" + draw("old 2", 20)
    yield plant("old.py", old, 'openai.api_key = "', '"\n')
    yield plant("claude.sh", "sk" + "-ant-api03-" + draw("claude", 93, URL64) + "AA", "export ANTHROPIC_API_KEY=")
    yield plant("dbx.cfg", "da" + "pi" + draw("dbx", 32, HEX), "[DEFAULT]\ntoken = ")
    yield plant("mail.py", "S" + "G." + draw("sg 1", 22, URL64) + "." + draw("sg 2", 43, URL64), "Client('", "')\n")
    yield plant("sp.json", draw("sp 1", 3) + "8Q" + "~" + draw("sp 2", 34), '{"clientSecret": "', '"}\n')
    fernet = base64.urlsafe_b64encode(secret_bytes("fernet", 32)).decode()
    yield plant("airflow.cfg", fernet, "[core]\nfernet_key = ")
    yield plant("config.yaml", PASSWORD, 'database:\n  host: db\n  password: "', '"\n')
    yield plant(".streamlit/secrets.toml", PASSWORD, '[db]\npassword = "', '"\n')
    yield plant("MLmodel", AWS_SECRET, "flavors: {}\nmetadata:\n  aws_secret_access_key: ")
    yield plant(".git-credentials", PLAIN_PASSWORD, "https://ada:", "@git.test\n")
    yield plant(".pgpass", PASSWORD, "db.test:5432:mlflow:mlflow:")
    yield plant("kaggle.json", draw("kaggle", 32, HEX), '{"username": "ada", "key": "', '"}')


def _held_out() -> Iterator[Planted]:
    def plant(path: str, secret: str, before: str, after: str = "\n") -> Planted:
        return Planted(path, secret, before + secret + after)

    yield plant("google.json", "GOC" + "SPX-" + draw("gocspx", 28, URL64), '{"client_secret": "', '"}')
    yield plant("groq.py", "gs" + "k_" + draw("groq", 52), 'Groq(api_key="', '")\n')
    yield plant("rep.sh", "r8" + "_" + draw("replicate", 37), "export REPLICATE_API_TOKEN=")
    yield plant("smith.toml", "lsv2" + "_pt_" + draw("ls1", 32, HEX) + "_" + draw("ls2", 10, HEX), 'key = "', '"\n')
    yield plant("hub.sh", "dckr" + "_pat_" + draw("dckr", 27, URL64), "docker login -p ")
    yield plant("droplet.tf", "dop" + "_v1_" + draw("do", 64, HEX), 'token = "', '"\n')
    yield plant("vault.hcl", "hv" + "s." + draw("hvs", 90, URL64), 'token = "', '"\n')
    yield plant("graf.yaml", "gl" + "sa_" + draw("g1", 32) + "_" + draw("g2", 8, HEX), "key: ")
    yield plant("bot.txt", "AA" + draw("tg", 33, URL64), "https://api.telegram.org/bot123456789:", "/getMe\n")
    discord = draw("d1", 18, DIGITS) + "/" + draw("d2", 68, URL64)
    yield plant("hook.py", discord, 'post("https://disc' + "ord.com/api/webhooks/", '")\n')
    yield plant("shop.rb", "shp" + "at_" + draw("shop", 32, HEX), "t = '", "'\n")
    yield plant("gh.sh", "gh" + "s_" + draw("ghs", 36), "echo ")
    yield plant("gl.sh", "gl" + "rt-" + draw("glrt", 20, URL64), "runner --token ")
    yield plant("settings.xml", PASSWORD, "<server>\n <id>a</id>\n <password>", "</password>\n</server>\n")
    yield plant("run.sh", PASSWORD, "mysqldump --user=a --password=")
    yield plant("app.properties", PASSWORD, "spring.datasource.password=")
    yield plant("values.yaml", draw("signing", 32), "jwt:\n  signingKey: ")
    yield plant("train.toml", draw("api", 30), 'NEPTUNE_API_TOKEN = "', '"\n')
    yield plant("a.json", draw("cs", 40), '{"oauth": {"clientSecret": "', '"}}')
    yield plant("nested.yaml", HUB, "steps:\n- env: {T: '", "'}\n")
    yield plant("broker.ini", PLAIN_PASSWORD, "url = amqps://svc:", "@mq.test:5671/v\n")
    yield plant("redis.yaml", PLAIN_PASSWORD, "cache: redis://:", "@cache.test:6379/0\n")
    yield Planted("pgp.asc", f"{DASHES}BEGIN PGP {PRIVATE} BLOCK", pem(f"PGP {PRIVATE} BLOCK", "pgp", 900))
    yield Planted("dsa.txt", f"{DASHES}BEGIN DSA {PRIVATE}", pem("DSA " + PRIVATE, "dsa", 300))
    yield Planted(
        "key.ppk", "PuTTY-User-Key-" + "File-3: ssh-rsa", "PuTTY-User-Key-" + "File-3: ssh-rsa\nEncryption: none\n"
    )
    yield plant("age.txt", "AGE-SECRET" + "-KEY-1" + draw("age", 58, DIGITS + string.ascii_uppercase), "# public key\n")
    yield Planted("utf16.txt", HUB, f"token {HUB}\n")
    yield Planted("one_line.json", f"{DASHES}BEGIN {PRIVATE}", json.dumps({"k": pem(PRIVATE, "one", 900)}))


PLANTED = tuple(_planted())
HELD_OUT = tuple(_held_out())

PLACEHOLDERS = {
    ".env.example": "PASSWORD=changeme-please-1\nHF_TOKEN=hf"
    "_" + "x" * 34 + "\nOPENAI_API_KEY=<your key 1>\nA_SECRET=${A_SECRET}\n",
    "docs.md": "Use `postgresql://user:password@localhost/db`, `export GITHUB_TOKEN=gh" + "p_your_token_here1`.\n"
    "AWS has AK" + "IAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY for it.\n",
    "compose.yaml": "environment:\n  POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set it}\n  TOKEN: '{{ secrets.token1 }}'\n  A_SECRET: \"%(A_KEY1)s\"\n",
    ".npmrc": "//registry.test/:_authToken=${NPM_TOKEN}\n",
    ".pypirc": "[distutils]\nindex-servers = inside\n[inside]\nrepository = https://pypi.test\n",
    ".docker/config.json": '{"credsStore": "desktop", "auths": {"registry.test": {}}}\n',
    "requirements.txt": "--index-url https://${PIP_USER}:${PIP_PASSWORD}@pypi.test/simple\n--find-links https://wheels.test\n",
    "test_login.py": "assert login('ada', password='x' * 8)\nassert hide('sk-...') == '***'\nos.environ['A_TOKEN'] = get_token1()\n",
    "chart.yaml": "secretKeyRef: {name: db, key: password}\nexistingSecret: db-credentials-1\npassword_file: /run/secrets/db1\n",
    "train.sh": 'export WANDB_API_KEY="$WANDB_API_KEY"\ncurl -H "Authorization: Bearer $TOKEN" https://a.test\n',
}


def _innocent() -> Iterator[tuple[str, Callable[[], str]]]:
    chosen = random.Random("innocent")

    def lines(count: int, line: Callable[[int], str]) -> str:
        return "\n".join(line(number) for number in range(count)) + "\n"

    def digest(number: int, kind: str = "sha256") -> str:
        return hashlib.new(kind, str(number).encode()).hexdigest()

    def vector(number: int) -> str:
        return base64.b64encode(chosen.randbytes(96)).decode()

    words = ["".join(chosen.choice(BASE64 + "_-") for _ in range(2 + number % 17)) for number in range(20_000)]
    yield "vocab.json", lambda: json.dumps({word: number for number, word in enumerate(words)})
    yield "vocab.txt", lambda: "\n".join(words)
    yield (
        "tokenizer.json",
        lambda: json.dumps(
            {
                "added_tokens": [{"id": number, "content": f"<|special_token_{number}|>"} for number in range(300)],
                "model": {"vocab": {f"\u0120{word}": number for number, word in enumerate(words[:9000])}},
            },
            indent=1,
        ),
    )
    yield (
        "tokenizer_config.json",
        lambda: json.dumps(
            {"bos_token": "<s>", "pad_token": "[PAD]", "pad_token_id": 128001, "model_max_length": 131072}
            | {"eos_token": "<|end_of_text_2024|>", "tokenizer_class": "PreTrainedTokenizerFast2", "token_type_ids": 1}
        ),
    )
    yield (
        "config.json",
        lambda: json.dumps({"key_dim": 128, "num_key_value_heads": 8, "_name_or_path": "org/model-7b-v1"}),
    )
    yield "rows.csv", lambda: lines(4000, lambda n: f"{n},{digest(n)[:32]},{vector(n)},{n * 7 % 11}")
    yield (
        "users.csv",
        lambda: (
            "email,password_hash_present,token_count,key\n" + lines(2000, lambda n: f"u{n}@a.test,true,{n * 7},k{n}")
        ),
    )
    yield "vectors.jsonl", lambda: lines(600, lambda n: json.dumps({"id": n, "b64": vector(n) * 4}))
    yield (
        "uv.lock",
        lambda: lines(
            600,
            lambda n: f'wheels = [{{ url = "https://files.test/{digest(n)}/p{n}.whl", hash = "sha256:{digest(n)}" }}]',
        ),
    )
    yield (
        "package-lock.json",
        lambda: json.dumps(
            {
                f"p{n}": {"integrity": f"sha512-{base64.b64encode(hashlib.sha512(bytes([n])).digest()).decode()}"}
                for n in range(250)
            },
            indent=1,
        ),
    )
    yield "requirements.lock", lambda: lines(500, lambda n: f"package-{n}=={n}.0 \\\n    --hash=sha256:{digest(n)}")
    yield "ids.json", lambda: json.dumps({f"run-{n}": digest(n, "md5") for n in range(3000)}, indent=1)
    yield "sums.txt", lambda: lines(3000, lambda n: f"{digest(n, 'sha1')}  data/{n:05}.parquet")
    yield "dna.fasta", lambda: lines(2500, lambda n: f">s{n}\n" + "".join(chosen.choice("ACGT") for _ in range(120)))
    yield (
        "protein.fasta",
        lambda: lines(1500, lambda n: f">p{n}\n" + "".join(chosen.choice("ACDEFGHIKLMNPQRSTVWY") for _ in range(180))),
    )
    yield (
        "train.yaml",
        lambda: lines(
            300,
            lambda n: (
                f"run_{n}:\n  max_tokens: 4096\n  pad_token_id: 0\n  secret_sauce: false\n  key: layer_{n}\n  tokenizer: team/tok-{n}\n  monkey: banana-{n}\n  token_url: https://id.test/{n}\n"
            ),
        ),
    )
    yield (
        "train.py",
        lambda: (
            "import os\n"
            + lines(
                300,
                lambda n: (
                    f"def step_{n}(batch, key=None, password=os.environ.get('DB_PASSWORD_{n}')):\n    token = tokenizer.encode(batch['text{n}'])\n    api_key = os.getenv('WANDB_API_KEY{n}')\n    return key == token_{n}.value1\n"
                ),
            )
        ),
    )
    yield (
        "README.md",
        lambda: (
            "Set `HF_TOKEN`. Use `password=os.environ['DB_PASSWORD']`.\n"
            + "A secret sauce of 32000 tokens and attention keys.\n" * 500
        ),
    )
    yield (
        "MLmodel",
        lambda: (
            f"model_uuid: {digest(1, 'md5')}\nrun_id: {digest(2, 'md5')}\nflavors:\n  sklearn:\n    sklearn_version: 1.5.0\n"
        ),
    )
    yield "cert.pem", lambda: pem("CERTIFICATE", "public", 900) + pem("PUBLIC KEY", "public", 290)
    yield "cosign.pub", lambda: pem("PUBLIC KEY", "cosign public", 91)
    yield (
        "plots.ipynb",
        lambda: json.dumps(
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "source": ["plt.plot()\n"],
                        "outputs": [
                            {
                                "output_type": "display_data",
                                "data": {"image/png": base64.b64encode(chosen.randbytes(60_000)).decode()},
                            }
                        ],
                    }
                ]
            }
        ),
    )
    yield "data.dvc", lambda: lines(400, lambda n: f"- md5: {digest(n, 'md5')}\n  size: {n}\n  path: f{n}")
    yield "check.py", lambda: f'if b"{DASHES}BEGIN {PRIVATE}{DASHES}" in data:\n    raise ValueError("a key")\n'


INNOCENT = dict(_innocent())
