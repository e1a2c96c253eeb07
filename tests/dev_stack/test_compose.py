"""What `make up` writes suits docker-compose.yml, which passes on every setting there is."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

import email_service.settings
from dev_stack import env_file
from dev_stack.part import REPOSITORY
from shared.env import Environment, UnsafeSettings
from user_service.settings import settings_from

COMPOSE = (REPOSITORY / "docker-compose.yml").read_text("utf-8")
REQUIRED = re.compile(r"\$\{(\w+):\?")
# Where the stack's own parts are, is the compose file's to say: DB_…, REDIS_…, KAFKA_….
PARTS = re.compile(r"(DATABASE_URL|DB_|REDIS_|KAFKA_)")
WITHIN_THE_CONTAINER = {"HOST", "PORT"}


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / ".env"
    assert env_file.write(path)
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_env_file_holds_all_that_compose_requires(written: dict[str, str]) -> None:
    required = set(REQUIRED.findall(COMPOSE))

    assert "MASTER_KEY" in required
    assert required <= written.keys()


def test_compose_names_all_missing_variables_in_its_first_refusal() -> None:
    first = COMPOSE[COMPOSE.index(":?") : COMPOSE.index("}\n  ${REDIS_PASSWORD:?")]

    assert all(name in first for name in REQUIRED.findall(COMPOSE))


def test_env_file_is_its_owners_alone_and_is_never_written_twice(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert env_file.write(path)
    kept = path.read_bytes()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not env_file.write(path)
    assert path.read_bytes() == kept


def test_every_env_file_has_secrets_of_its_own(tmp_path: Path) -> None:
    for name in ("one", "other"):
        env_file.write(tmp_path / name)
    one, other = ((tmp_path / name).read_text("utf-8").splitlines() for name in ("one", "other"))

    assert sum(a != b for a, b in zip(one, other, strict=True)) == 5


def test_the_secrets_of_the_env_file_would_do_in_production(written: dict[str, str]) -> None:
    env = Environment(
        written
        | {
            "ENVIRONMENT": "production",
            "PUBLIC_BASE_URL": "https://auth.example.org",
            "DB_HOST": "postgres",
            "REDIS_HOST": "redis",
            "KAFKA_BROKER": "kafka:29092",
        }
    )
    settings_from(env)

    assert env.problems == []


def test_compose_passes_every_setting_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _settings_of_the_user_service() | _settings_of_the_email_service(monkeypatch)
    passed = set(re.findall(r"^ +(\w+):", COMPOSE, re.MULTILINE))

    expected = {name for name in asked - WITHIN_THE_CONTAINER if not PARTS.match(name)}
    assert len(expected) > 40
    assert expected - passed == set()


def _settings_of_the_user_service() -> set[str]:
    env = Environment({})
    settings_from(env)
    return env.read


def _settings_of_the_email_service(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    asked: set[str] = set()

    class Listening(Environment):
        def given(self, name: str) -> str | None:
            asked.add(name)
            return super().given(name)

    monkeypatch.setattr(email_service.settings, "Environment", Listening)
    for sender in ("sendgrid", "smtp"):
        with pytest.raises(UnsafeSettings):
            email_service.settings.read_settings({"SENDER": sender})
    return asked
