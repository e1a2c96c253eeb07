"""Settings: every problem at once, nothing unsafe outside development, one file that lists all."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

import email_service.settings
from shared.env import Environment, UnsafeSettings
from user_service.settings import Settings, read_settings, settings_from
from user_service.settings.clerk import ClerkSettings

KEY = "5f0c1d9be27a4836b1d27c40fae83957"
OTHER_KEY = "9b2e7d10c4f85a63e1079cd4b82f5a6e"
THIRD_KEY = "e41c70d82b9f6a3554d0c8b7196efa23"
FOURTH_KEY = "7fd20e6b93c1584aae07d5f4b1286c39"
SAFE = {
    "ENVIRONMENT": "production",
    "PUBLIC_BASE_URL": "https://auth.example.org",
    "DATABASE_URL": "postgresql://gatepost@db.internal/gatepost",
    "REDIS_URL": "redis://redis.internal:6379/0",
    "KAFKA_BROKER": "kafka.internal:9092",
    "MASTER_KEY": KEY,
    "OTP_KEYS": f"k1:{OTHER_KEY}",
}
SAFE_FOR_MAIL = {**SAFE, "SENDGRID_API_KEY": "SG.x", "FROM_EMAIL": "auth@example.org"}
EXAMPLE = Path(__file__).parents[2] / ".env.example"


def _problems(**changes: str) -> list[str]:
    try:
        read_settings({**SAFE, **changes})
    except UnsafeSettings as unsafe:
        return unsafe.problems
    return []


def _problems_of_the_email_service(**changes: str) -> list[str]:
    try:
        email_service.settings.read_settings({**SAFE_FOR_MAIL, **changes})
    except UnsafeSettings as unsafe:
        return unsafe.problems
    return []


def _read(**changes: str) -> Settings:
    return read_settings({**SAFE, **changes})


def test_a_safe_set_starts_with_the_figures_of_the_design() -> None:
    settings = _read()
    assert not settings.development
    assert (settings.port, settings.host, settings.workers) == (3000, "0.0.0.0", 1)
    cost = settings.argon_cost
    assert (cost.memory, cost.time, cost.lanes) == (19456, 2, 1)
    assert settings.access_token_minutes == 15
    assert settings.least_password == 8
    assert settings.unbound_verify == "single"
    assert (settings.challenge_times.code, settings.challenge_times.challenge) == (600, 1800)
    limits = settings.limits
    figures = {
        name: [(rate.count, rate.seconds) for rate in getattr(limits, name)]
        for name in limits.__struct_fields__
    }
    assert figures == {
        "register": [(20, 60), (100, 3600)],
        "resend": [(20, 60)],
        "recovery": [(20, 60)],
        "edit": [(20, 60)],
        "verify": [(60, 60)],
        "login": [(60, 60)],
        "address_site": [(1, 60), (3, 3600), (4, 86400)],
        "address_all": [(3, 60), (6, 3600), (10, 86400)],
    }


def test_production_is_what_runs_unless_something_else_is_said() -> None:
    assert not read_settings({k: v for k, v in SAFE.items() if k != "ENVIRONMENT"}).development


@pytest.mark.parametrize("command", ["serve", "worker", "migrate"])
def test_every_problem_is_reported_at_once_with_exit_code_2(command: str) -> None:
    wrong = {
        "PUBLIC_BASE_URL": "http://auth.example.org",
        "MASTER_KEY": "short",
        "OTP_KEYS": "k1:changeme-changeme-changeme-changeme",
        "PORT": "eighty",
        "ALGORITHM": "none",
        "LIMIT_LOGIN": "many",
        "TRUSTED_PROXIES": "everybody",
        "CORS_ORIGINS": "https://app.example.org/",
        "ARGON2_MEMORY_KIB": "1024",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "user_service", command],
        env={**wrong, "PATH": "/usr/bin"},
        cwd=EXAMPLE.parent,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    missing = ("DATABASE_URL", "REDIS_URL", "KAFKA_BROKER")
    for name in (*wrong, *missing):
        assert re.search(rf"^  - {name}\b", ended.stderr, re.MULTILINE), name
    assert ended.stderr.count("\n  - ") == len(wrong) + len(missing)
    assert "Traceback" not in ended.stderr
    assert "changeme" not in ended.stderr


@pytest.mark.parametrize("name", ["MASTER_KEY", "JWT_SECRET", "METRICS_TOKEN", "OTP_KEYS"])
@pytest.mark.parametrize(
    "value",
    [
        "tiny-k3y",
        KEY[:31],
        "a" * 64,
        "ab" * 32,
        "0123456" * 9,
        "changeme-4f1b7d0c9e8a35264f1b7d0c9e8a3526",
        "my-super-secret-jwt-key-4f1b7d0c9e8a3526",
        "your_jwt_key_0f1e2d3c4b5a69788796a5b4c3d2",
        "Example-4f1b7d0c9e8a35264f1b7d0c9e8a3526",
    ],
)
def test_a_short_or_well_known_secret_stops_the_start_outside_development(
    name: str, value: str
) -> None:
    value = f"k1:{value}" if name == "OTP_KEYS" else value
    (problem,) = _problems(**{name: value})
    assert problem.startswith(name)
    assert value not in problem
    assert _problems(**{name: value, "ENVIRONMENT": "development"}) == []


def test_every_key_of_the_ring_is_judged_and_not_only_the_first() -> None:
    (problem,) = _problems(OTP_KEYS=f"k2:{THIRD_KEY},k1:short")
    assert "k1" in problem


@pytest.mark.parametrize("value", ["secret", ":x", "k1:", f"k1:{THIRD_KEY},k1:{OTHER_KEY}", "a,b"])
def test_otp_keys_are_pairs_with_a_kid_each(value: str) -> None:
    (problem,) = _problems(OTP_KEYS=value)
    assert problem.startswith("OTP_KEYS")


def test_the_first_of_the_otp_keys_makes_new_codes() -> None:
    keys = _read(OTP_KEYS=f"new:{THIRD_KEY} , old:{OTHER_KEY}").otp_keys
    assert keys.current == "new"
    assert keys.secrets == {"new": THIRD_KEY.encode(), "old": OTHER_KEY.encode()}


@pytest.mark.parametrize("name", ["MASTER_KEY", "OTP_KEYS", "KAFKA_BROKER", "PUBLIC_BASE_URL"])
def test_what_has_no_default_must_be_set(name: str) -> None:
    for nothing in ("", "  "):
        (problem,) = _problems(**{name: nothing})
        assert problem == f"{name} is not set."


# -- secrets from files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["MASTER_KEY", "JWT_SECRET", "METRICS_TOKEN", "OTP_KEYS", "DATABASE_URL", "REDIS_URL"]
)
def test_a_secret_may_be_kept_in_a_file(tmp_path: Path, name: str) -> None:
    given = {**SAFE, "JWT_SECRET": THIRD_KEY, "METRICS_TOKEN": FOURTH_KEY}
    file = tmp_path / "secret"
    file.write_text(f"{given[name]}\n")
    elsewhere = {k: v for k, v in given.items() if k != name} | {f"{name}_FILE": str(file)}
    assert read_settings(elsewhere) == read_settings(given)


def test_a_secret_of_a_file_is_judged_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short\n")
    without = {k: v for k, v in SAFE.items() if k != "MASTER_KEY"}
    with pytest.raises(UnsafeSettings, match="MASTER_KEY is shorter"):
        read_settings({**without, "MASTER_KEY_FILE": str(tmp_path / "secret")})


@pytest.mark.parametrize(
    "name",
    [
        "MASTER_KEY",
        "JWT_SECRET",
        "METRICS_TOKEN",
        "OTP_KEYS",
        "DATABASE_URL",
        "CLERK_WEBHOOK_SECRETS",
    ],
)
def test_a_secret_of_an_empty_file_stops_the_start(tmp_path: Path, name: str) -> None:
    for nothing in ("", "\n"):
        (tmp_path / "secret").write_text(nothing)
        without = {k: v for k, v in SAFE.items() if k != name}
        with pytest.raises(UnsafeSettings, match=f"{name}_FILE is an empty file"):
            read_settings({**without, f"{name}_FILE": str(tmp_path / "secret")})


def test_a_file_that_cannot_be_read_and_a_secret_set_twice_are_problems(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(KEY)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    twice = _problems(MASTER_KEY_FILE=str(tmp_path / "secret"))
    assert twice == ["MASTER_KEY and MASTER_KEY_FILE are both set: keep one."]
    for path in (tmp_path / "missing", tmp_path, tmp_path / "binary"):
        problems = _problems(MASTER_KEY="", MASTER_KEY_FILE=str(path))
        assert [problem[:15] for problem in problems] == ["MASTER_KEY_FILE"]


# -- the names that people bring along -----------------------------------------------------------


def test_postgres_may_be_named_by_its_parts() -> None:
    parts = {"DB_HOST": "db", "DB_PORT": "5433", "DB_NAME": "auth", "DB_USER": "us er"}
    settings = _read(DATABASE_URL="", **parts, DB_PASSWORD="p@ss/w:rd?")
    assert settings.database.url == "postgresql://us%20er:p%40ss%2Fw%3Ard%3F@db:5433/auth"
    bare = _read(DATABASE_URL="", DB_HOST="db").database.url
    assert bare == "postgresql://gatepost@db:5432/gatepost"
    assert _problems(DATABASE_URL="")[0].startswith("DATABASE_URL")
    assert _problems(DATABASE_URL="mysql://db")[0].startswith("DATABASE_URL")
    assert _problems(DATABASE_URL="", DB_HOST="db", DB_PORT="70000")[0].startswith("DB_PORT")


def test_several_hosts_of_postgres_may_be_named() -> None:
    for hosts in ("one:5432,two:5432", "one,two", "[::1]:5432,two", "one,[::1]:5432"):
        url = f"postgresql://gatepost:p@{hosts}/gatepost?target_session_attrs=any"
        assert _read(DATABASE_URL=url).database.url == url
    assert _problems(DATABASE_URL="postgresql://one:5432,two:abc/gatepost")
    assert _problems(DATABASE_URL="postgresql:///gatepost?host=/run/postgresql") == []


def test_redis_may_be_named_by_its_parts() -> None:
    settings = _read(REDIS_URL="", REDIS_HOST="cache", REDIS_PORT="6380", REDIS_PASSWORD="p@ss")
    assert settings.redis.url == "redis://:p%40ss@cache:6380/0"
    assert _read(REDIS_URL="", REDIS_HOST="cache").redis.url == "redis://cache:6379/0"
    assert _read(REDIS_URL="rediss://cache").redis.url == "rediss://cache"
    assert _problems(REDIS_URL="")[0].startswith("REDIS_URL")
    assert _problems(REDIS_URL="http://cache")[0].startswith("REDIS_URL")


def test_kafka_takes_tls_and_sasl(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    given = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_CA_FILE": str(authority)}
    assert _problems(**given) == ["KAFKA_USERNAME is not set.", "KAFKA_PASSWORD is not set."]
    config = _read(**given, KAFKA_USERNAME="u", KAFKA_PASSWORD="p").kafka.client_config()
    assert config["security.protocol"] == "SASL_SSL"
    assert config["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (config["sasl.username"], config["sasl.password"]) == ("u", "p")
    assert config["ssl.ca.location"] == str(authority)
    assert _problems(KAFKA_SECURITY_PROTOCOL="TLS")[0].startswith("KAFKA_SECURITY_PROTOCOL")


def test_tls_to_postgres_verifies_the_certificate() -> None:
    context = _read(DB_TLS="true").database.connect_options()["ssl"]
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
    assert "ssl" not in _read().database.connect_options()
    assert _problems(DB_TLS="yes")[0].startswith("DB_TLS")


# -- what must fit together ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://auth.example.org", "auth.example.org", "ftp://a", "https://", "https://a?b"]
)
def test_the_base_url_is_https_outside_development(url: str) -> None:
    (problem,) = _problems(PUBLIC_BASE_URL=url)
    assert problem.startswith("PUBLIC_BASE_URL")


def test_the_base_url_may_be_http_in_development() -> None:
    url = "http://localhost:3000"
    assert _read(ENVIRONMENT="development", PUBLIC_BASE_URL=url + "/").public_base_url == url


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("PUBLIC_BASE_URL", "https"),
        ("REDIS_URL", "redis"),
        ("CORS_ORIGINS", "https"),
        ("DATABASE_URL", "postgresql"),
        ("SENDGRID_BASE_URL", "https"),
        ("SMTP_URL", "smtp"),
    ],
)
@pytest.mark.parametrize("place", ["[", "[oops", "[::1", "a:port", "a:99999", "u:p@a:port/b"])
def test_a_url_that_cannot_be_read_is_a_problem_and_no_traceback(
    name: str, scheme: str, place: str
) -> None:
    mail = {"SENDER": "smtp" if name == "SMTP_URL" else "sendgrid"}
    given = {name: f"{scheme}://{place}"}
    if name in ("SENDGRID_BASE_URL", "SMTP_URL"):
        problems = _problems_of_the_email_service(**mail, **given)
    else:
        problems = _problems(**given)
    assert problems
    assert all(problem.startswith(name) for problem in problems)


@pytest.mark.parametrize("name", ["DB_CA_FILE", "REDIS_CA_FILE", "KAFKA_CA_FILE"])
def test_a_certificate_authority_that_cannot_be_read_is_a_problem(
    tmp_path: Path, name: str
) -> None:
    (problem,) = _problems(**{name: str(tmp_path / "missing.pem")})
    assert problem.startswith(f"{name} cannot be read")


def test_a_jwt_secret_and_another_algorithm_stop_the_start() -> None:
    assert _problems(JWT_SECRET=THIRD_KEY, ALGORITHM="ES256")[0].startswith("JWT_SECRET")
    assert _problems(ALGORITHM="HS256")[0].startswith("ALGORITHM")
    for algorithm in ("none", "RS256", "hs256", "HS512"):
        assert _problems(JWT_SECRET=THIRD_KEY, ALGORITHM=algorithm)[0].startswith("ALGORITHM")
    assert _read(JWT_SECRET=THIRD_KEY).jwt_secret == THIRD_KEY
    assert _read(JWT_SECRET=THIRD_KEY, ALGORITHM="HS256").jwt_secret == THIRD_KEY
    assert _read(ALGORITHM="ES256").jwt_secret == ""


@pytest.mark.parametrize(
    ("memory", "time", "safe"),
    [
        ("19456", "2", True),
        ("19455", "2", False),
        ("47104", "1", True),
        ("47103", "1", False),
        ("12288", "3", True),
        ("9216", "4", False),
        ("7168", "5", False),
    ],
)
def test_a_cost_below_the_standard_stops_the_start_outside_development(
    memory: str, time: str, safe: bool
) -> None:
    cost = {"ARGON2_MEMORY_KIB": memory, "ARGON2_TIME": time}
    assert (_problems(**cost) == []) is safe
    assert _problems(**cost, ENVIRONMENT="development") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIMIT_REGISTER", "20"),
        ("LIMIT_REGISTER", "20/fortnight"),
        ("LIMIT_VERIFY", "0/minute"),
        ("LIMIT_LOGIN", "-1/minute"),
        ("LIMIT_ADDRESS", "1/minute 2/hour"),
        ("CODE_SECONDS", "601"),
        ("CODE_SECONDS", "0"),
        ("PASSWORD_MIN_LENGTH", "7"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "0"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "1.5"),
        ("UNBOUND_VERIFY", "always"),
        ("ENVIRONMENT", "prod"),
        ("ENVIRONMENT", "Development"),
        ("WORKERS", "0"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "proxy.internal"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://*.example.org"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "app.example.org"),
        ("CORS_ORIGINS", "https://app.example.org/path"),
    ],
)
def test_a_value_that_means_nothing_is_a_problem_by_name(name: str, value: str) -> None:
    (problem,) = _problems(**{name: value})
    assert name in problem


# -- Clerk alongside ------------------------------------------------------------------------------

CLERK = {
    "CLERK_ISSUER": "https://clerk.example.org",
    "CLERK_JWKS_URL": "https://clerk.example.org/.well-known/jwks.json",
}


def _pem(bits: int) -> str:
    form = PublicFormat.SubjectPublicKeyInfo
    public = rsa.generate_private_key(65537, bits).public_key()
    return public.public_bytes(Encoding.PEM, form).decode()


def test_clerk_is_unknown_unless_it_is_set_up() -> None:
    assert _read().clerk == ClerkSettings()


def test_clerks_keys_are_at_an_address_or_there_is_one() -> None:
    by_address = _read(**CLERK, CLERK_AUTHORIZED_PARTIES="https://a.example, https://b.example")
    assert by_address.clerk == ClerkSettings(
        issuer=CLERK["CLERK_ISSUER"],
        jwks_url=CLERK["CLERK_JWKS_URL"],
        parties=("https://a.example", "https://b.example"),
    )
    pem = _pem(2048)
    for written in (pem, pem.replace("\n", "\\n")):
        by_key = _read(CLERK_ISSUER=CLERK["CLERK_ISSUER"], CLERK_JWT_KEY=written).clerk
        assert by_key.public_key == load_pem_public_key(pem.encode())
    either = "CLERK_ISSUER needs one of CLERK_JWKS_URL and CLERK_JWT_KEY, and not both."
    assert _problems(CLERK_ISSUER=CLERK["CLERK_ISSUER"]) == [either]
    assert _problems(**CLERK, CLERK_JWT_KEY=pem) == [either]
    alone = ["CLERK_JWKS_URL and CLERK_JWT_KEY mean nothing without CLERK_ISSUER."]
    assert _problems(CLERK_JWKS_URL=CLERK["CLERK_JWKS_URL"]) == alone
    assert _problems(CLERK_JWT_KEY=pem) == alone


@pytest.mark.parametrize("name", CLERK)
@pytest.mark.parametrize("url", ["http://clerk.example.org", "clerk.example.org", "https://:1"])
def test_clerk_is_asked_by_https_outside_development(name: str, url: str) -> None:
    assert _problems(**CLERK | {name: url}) == [f"{name} must read https://clerk.example.org…"]
    if url.startswith("http:"):
        assert _problems(**CLERK | {name: url}, ENVIRONMENT="development") == []


def test_clerks_issuer_is_written_as_its_tokens_write_it() -> None:
    (problem,) = _problems(**CLERK | {"CLERK_ISSUER": "https://clerk.example.org/"})
    assert problem == "CLERK_ISSUER ends without a slash: it is compared letter by letter."


@pytest.mark.parametrize("kind", ["short", "ec", "private", "garbage", "cut"])
def test_clerks_key_is_a_public_one_that_rs256_may_be_checked_with(kind: str) -> None:
    private = rsa.generate_private_key(65537, 2048)
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    written = {
        "short": _pem(1024),
        "ec": curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "private": private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode(),
        "garbage": "pk_live_Y2xlcms",
        "cut": _pem(2048)[:200],
    }[kind]
    problems = _problems(CLERK_ISSUER=CLERK["CLERK_ISSUER"], CLERK_JWT_KEY=written)
    assert problems[0] == "CLERK_JWT_KEY is no RSA public key in PEM of 2048 bits or more."
    assert written not in "".join(problems)


def test_clerks_webhook_secrets_are_decoded_and_there_may_be_two() -> None:
    two = f"whsec_{b64encode(b'1' * 24).decode()} , whsec_{b64encode(b'2' * 32).decode()}"
    assert _read(CLERK_WEBHOOK_SECRETS=two).clerk.webhook_keys == (b"1" * 24, b"2" * 32)


@pytest.mark.parametrize(
    "secret",
    [
        b64encode(b"1" * 24).decode(),
        f"whsec_{b64encode(b'1' * 23).decode()}",
        "whsec_",
        "whsec_!!!",
        f"whsec_{b64encode(b'1' * 24).decode()},nothing",
    ],
)
def test_a_webhook_secret_that_clerk_never_gave_out_stops_the_start(secret: str) -> None:
    assert _problems(CLERK_WEBHOOK_SECRETS=secret) == [
        "CLERK_WEBHOOK_SECRETS must hold the signing secrets of Clerk's page: whsec_…"
    ]


# -- .env.example --------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every variable that anything asks an Environment for."""
    names: set[str] = set()
    given = Environment.given

    def noting(self: Environment, name: str) -> str | None:
        names.add(name)
        return given(self, name)

    monkeypatch.setattr(Environment, "given", noting)
    return names


def test_the_example_file_lists_every_variable_and_no_other(read: set[str]) -> None:
    settings_from(Environment({}))
    for sender in ("sendgrid", "smtp", "console"):
        with pytest.raises(UnsafeSettings):
            email_service.settings.read_settings({"SENDER": sender})
    listed = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(read)


def test_the_example_files_values_are_the_defaults() -> None:
    lines = re.findall(r"^#([A-Z][A-Z0-9_]+)=(.+)$", EXAMPLE.read_text(), re.MULTILINE)
    examples = {
        "TRUSTED_PROXIES",
        "CORS_ORIGINS",
        "SMTP_URL",
        "BREACH_CHECK_URL",
        "CLERK_AUTHORIZED_PARTIES",
        "CLERK_ISSUER",
        "CLERK_JWKS_URL",
        "PASSWORD_RESET_URL",
    }
    defaults = {name: value for name, value in lines if name not in examples}
    assert len(defaults) > 30
    assert _read(**defaults) == _read()
    assert email_service.settings.read_settings(
        {**SAFE_FOR_MAIL, **defaults}
    ) == email_service.settings.read_settings(SAFE_FOR_MAIL)


def test_the_example_file_as_it_stands_starts_nothing() -> None:
    lines = re.findall(r"^([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    with pytest.raises(UnsafeSettings) as unsafe:
        read_settings(dict(lines))
    names = {problem.split()[0] for problem in unsafe.value.problems}
    assert names == {"DATABASE_URL", "REDIS_URL", "KAFKA_BROKER", "MASTER_KEY", "OTP_KEYS"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,::/0"),
        ("LIMIT_ADDRESS", "1000/second"),
        ("LIMIT_ADDRESS", "21/day"),
        ("PUBLIC_BASE_URL", "https://user@auth.example.org"),
        ("PUBLIC_BASE_URL", "https://Auth.example.org"),
        ("PUBLIC_BASE_URL", "https://auth.example.org:443"),
        ("PUBLIC_BASE_URL", "https://auth.example.org/#top"),
        ("JWT_SECRET", SAFE["MASTER_KEY"]),
        ("METRICS_TOKEN", SAFE["MASTER_KEY"]),
        ("OTP_KEYS", f"k1:{SAFE['MASTER_KEY']}"),
    ],
)
def test_what_would_void_a_promise_stops_the_start(name: str, value: str) -> None:
    problems = _problems(**{name: value})
    assert len(problems) == 1
    assert name in problems[0]
