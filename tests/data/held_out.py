"""A second hold-out: thirty files with one secret each, thirty without, written down before a rule was made for them.

Kinds that `planted.py` has not: passwords on command lines, in SQL, in calls, in other tools' configuration.  Values are
drawn as there; none was ever valid.
"""

# ruff: noqa: E501 - one line of a table is one file

from __future__ import annotations

import random
import string

WORD = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def draw(name: str, count: int = 12, letters: str = WORD, *, signs: str = "") -> str:
    """Return a value that depends on the name alone, with a digit and what ``signs`` has in it."""
    chosen = random.Random(f"second hold-out, {name}")
    text = "".join(chosen.choice(letters) for _ in range(count - 1 - len(signs)))
    return text[: count // 2] + "7" + signs + text[count // 2 :]


def with_secrets() -> dict[str, tuple[str, str]]:
    """Return path to (text with a ``@`` where the secret goes, secret)."""
    templates = {
        "upload.sh": ("#!/bin/bash\nset -e\ncurl -sf -u ci-bot:@ -T model.tar https://files.corp/models/\n", {}),
        "fetch.sh": ('curl --user "svc-train:@" -o data.zip https://data.corp/set.zip\n', {"signs": "!"}),
        "wget.sh": ("wget --http-user=ada --http-password=@ https://data.corp/set.zip\n", {}),
        "httpie.sh": ("http -a ada:@ POST https://api.corp/v1/runs < run.json\n", {}),
        "grants.sql": ("CREATE USER 'ml'@'%' IDENTIFIED BY '@';\nGRANT SELECT ON features.* TO 'ml'@'%';\n", {"signs": "#"}),
        "roles.sql": ("ALTER ROLE trainer WITH LOGIN PASSWORD '@';\n", {}),
        "oracle.sql": ('create user ml identified by "@" default tablespace users;\n', {}),
        "snowflake.sql": ("CREATE USER etl PASSWORD = '@' DEFAULT_ROLE = loader;\n", {}),
        "stage.sql": ("CREATE STAGE s URL='s3://b/' CREDENTIALS=(AWS_KEY_ID='x' AWS_SECRET_KEY='@');\n", {"count": 40}),
        "wp-config.php": ("<?php\ndefine('DB_NAME', 'blog');\ndefine('DB_PASSWORD', '@');\n", {}),
        "settings.php": ("<?php\n$db = ['user' => 'ml', 'pass' => '@'];\n", {}),
        "my.cnf": ("[client]\nuser=ml\npassword=@\n", {}),
        "dump.sh": ("mysqldump -h db.corp -uroot -p@ features > f.sql\n", {}),
        "remote.sh": ("sshpass -p '@' scp model.bin ada@gpu1.corp:/srv/models/\n", {}),
        "push.sh": ("docker login -u ci -p @ registry.corp\ndocker push registry.corp/ml/train:1\n", {}),
        "psql.sh": ("PGPASSWORD=@ psql -h db.corp -U ml -c 'select 1'\n", {}),
        "application.properties": ("spring.datasource.username=ml\nspring.datasource.password=@\n", {}),
        "appsettings.json": ('{"ConnectionStrings": {"Main": "Server=db.corp;Database=f;User Id=ml;Password=@;Encrypt=true"}}\n', {}),
        "odbc.py": ('CONNECTION = "Driver={ODBC Driver 18};Server=db.corp;Uid=ml;Pwd=@;"\n', {}),
        "redis.conf": ("bind 0.0.0.0\nrequirepass @\nmaxmemory 2gb\n", {"count": 24}),
        "ldap.conf": ("uri ldaps://ldap.corp\nbinddn cn=ml,dc=corp\nbindpw @\n", {}),
        ".htpasswd": ("ada:$apr1$x3Kd91aQ$@\n", {"count": 22}),
        "shadow.bak": ("root:$6$Vn2mP0aq$@:19700:0:99999:7:::\n", {"count": 86}),
        "jupyter_server_config.py": ("c.ServerApp.password = 'argon2:$argon2id$v=19$m=10240,t=10,p=8$c29tZXNhbHQ$@'\n", {"count": 43}),
        "inventory.ini": ("[gpu]\ngpu1.corp ansible_user=ada ansible_ssh_pass=@\n", {}),
        "secret.yaml": ("apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata:\n  username: bWw=\n  password: @\n", {"count": 24}),
        "settings.xml": ("<settings><servers><server><id>nexus</id><username>ci</username><password>@</password></server></servers></settings>\n", {}),
        "mail.py": ('import smtplib\nsmtp = smtplib.SMTP("mail.corp")\nsmtp.login("bot@corp.io", "@")\n', {}),
        "download.py": ('import requests\nr = requests.get("https://data.corp/set.zip", auth=("ada", "@"))\n', {}),
        "wg0.conf": ("[Interface]\nAddress = 10.0.0.2/24\nPrivateKey = @=\n", {"count": 43}),
    }  # fmt: skip
    made = {}
    for path, (text, options) in templates.items():
        secret = draw(path, **options)
        at = text.rindex("@") if path in ("mail.py", "wg0.conf") else _place(text)
        made[path] = (text[:at] + secret + text[at + 1 :], secret)
    return made


def _place(text: str) -> int:
    """Where the mark of the secret stands: an ``@`` that is between others than a name and a host."""
    marks = [at for at, sign in enumerate(text) if sign == "@"]
    alone = [at for at in marks if not (text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalnum())]
    alone = [
        at for at in alone if text[at - 1 : at + 2] != "'@'" or text[at + 2 : at + 3] in (";", ")", " ", "]", "\n")
    ]
    return next(at for at in alone if text[at : at + 4] not in ("@'%'", "@gpu"))


HARMLESS = {
    "upload.sh": 'curl -sf -u "$CI_USER:$CI_PASSWORD" -T model.tar https://files.corp/models/\n',
    "ci.sh": "curl -u ${USER}:${TOKEN} https://files.corp\ncurl --user $(cat /run/secrets/login) https://a.corp\n",
    "readme-curl.md": "    curl -u username:password https://api.example.com\n    curl -u <user>:<token> https://api.example.com\n",
    "run.sh": "docker run -u 1000:1000 -p 8080:80 -v data:/data:ro train:1\nmkdir -p out/models\nsort -u a:b.txt\n",
    "git.sh": "git push -u origin main\npython -u train.py --model resnet50\nssh -p 2222 ada@gpu1.corp\n",
    "users.sql": "CREATE USER 'ml'@'%' IDENTIFIED BY '${ML_PASSWORD}';\nALTER USER ml IDENTIFIED WITH mysql_native_password BY '<password>';\n",
    "vars.sql": "CREATE ROLE ml LOGIN PASSWORD :'ml_password';\nALTER ROLE ml PASSWORD NULL;\n-- PASSWORD 'changeme' is what the image has\n",
    "columns.sql": "CREATE TABLE users (id INT, password_hash CHAR(60) NOT NULL, token VARCHAR(64));\nSELECT identified_by FROM species;\n",
    "wp-config.php": "<?php\ndefine('DB_PASSWORD', getenv('DB_PASSWORD'));\ndefine('AUTH_KEY', 'put your unique phrase here');\n",
    "limits.php": "<?php\ndefine('PASSWORD_MIN_LENGTH', 12);\ndefine('SESSION_TOKEN_NAME', 'x-session-token');\n",
    "redis.conf": "# requirepass foobared\n# rename-command CONFIG b840fc02d524045429941cc15f59e41cb7be6c52\nmaxmemory 2gb\n",
    "ldap.conf": "uri ldaps://ldap.corp\nbindpw_file /etc/ldap.secret\n",
    "login.py": 'def login(user, password):\n    smtp.login(user, password)\n    smtp.login("user", os.environ["SMTP_PASSWORD"])\n',
    "auth.py": 'r = requests.get(url, auth=(user, password))\nr = requests.get(url, auth=("user", "pass"))\nauth = ("http", "basic")\n',
    "test_auth.py": 'client.get("/", auth=("ada", "ada"))\nassert login("ada", "wrong password") is None\n',
    "wg0.conf": "[Interface]\nPrivateKey = <the server's private key>\nPublicKey = " + "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=" + "\n",
    "compose.yaml": "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD_FILE: /run/secrets/db\n      POSTGRES_PASSWORD: ${DB_PASSWORD:?}\n",
    "secret.yaml": "apiVersion: v1\nkind: Secret\nstringData:\n  password: '{{ .Values.db.password }}'\n",
    "settings.xml": "<server><username>${env.CI_USER}</username><password>${env.CI_PASSWORD}</password></server>\n",
    "application.properties": "spring.datasource.password=${DB_PASSWORD}\nspring.jpa.show-sql=true\npassword.policy.min=12\n",
    "appsettings.json": '{"Main": "Server=db;User Id=ml;Password={0};Encrypt=true", "Other": "Integrated Security=true;Pwd=;"}\n',
    "ansible.ini": "[gpu]\ngpu1.corp ansible_ssh_pass='{{ vault_ssh_pass }}' ansible_become_pass='{{ vault_become }}'\n",
    "tokens.json": '{"pad_token": "<pad>", "unk_token": "[UNK]", "model_max_length": 512, "additional_special_tokens": ["<|im_start|>"]}\n',
    "passes.csv": "player,pass,completed_passes\nada,short,1284\nbob,long,77123456\n",
    "hashes.txt": "model.bin  9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n$1$ is how crypt began, $6$ is SHA-512\n",
    "optimizer.py": "passes = 3\nbypass = config.bypass\nfor pass_number in range(passes):\n    run(pass_number, key=rng_key)\n",
    "cli.md": "| `-u, --user NAME:PASSWORD` | who asks |\n| `-p PASSWORD` | what for |\nmysql -u root -p features\nmysqldump -uroot -p features\n",
    "lock.txt": "docker login -u ci --password-stdin registry.corp < /run/secrets/registry\necho $PW | docker login -u ci -p $PW registry.corp\n",
    "prompt.txt": "Identified by the curator as a bird of prey. The password 'open sesame' is from a tale.\n",
    "notebook.ipynb": '{"cells": [{"cell_type": "code", "source": ["from getpass import getpass\\n", "auth = (\\"ada\\", getpass())"], "outputs": []}], "nbformat": 4}\n',
}  # fmt: skip
