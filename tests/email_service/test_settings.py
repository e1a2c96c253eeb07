"""What the email service refuses to start with, and how it says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from email_service.settings import read_settings
from shared.env import UnsafeSettings

GOOD_KEY = "k1:5f0c1d9be27a4836b1d27c40fae83957c6d2e1f04a7b8835906afd1c2e3b4857"
PRODUCTION = {
    "KAFKA_BROKER": "kafka:29092",
    "REDIS_URL": "redis://redis:6379/0",
    "OTP_KEYS": GOOD_KEY,
    "SENDGRID_API_KEY": "SG.key",
    "FROM_EMAIL": "hello@gatepost.dev",
}


def problems(**changes: str) -> str:
    try:
        read_settings(PRODUCTION | changes)
    except UnsafeSettings as error:
        return "\n".join(error.problems)
    return ""


def test_the_fewest_settings_are_enough() -> None:
    settings = read_settings(PRODUCTION)

    assert settings.sendgrid is not None
    assert settings.sendgrid.base_url == "https://api.sendgrid.com"
    assert settings.originator.name == "Gatepost"
    assert (settings.concurrency, settings.probe_port) == (100, 3001)


def test_all_problems_are_told_at_once_and_end_the_start_with_code_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "email_service"],
        env={"FROM_EMAIL": "nobody", "PRODUCT_COLOR": "green"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    for name in ("KAFKA_BROKER", "REDIS_URL", "OTP_KEYS", "SENDGRID_API_KEY", "FROM_EMAIL"):
        assert f"  - {name}" in done.stderr
    assert "PRODUCT_COLOR" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SENDGRID_BASE_URL": "http://api.sendgrid.com"}, "SENDGRID_BASE_URL"),
        ({"SENDGRID_BASE_URL": "api.sendgrid.com"}, "SENDGRID_BASE_URL"),
        ({"SENDER": "console"}, "SENDER"),
        ({"SENDER": "smtp"}, "SMTP_URL"),
        ({"SENDER": "smtp", "SMTP_URL": "smtp+plain://mail:25"}, "SMTP_URL"),
        ({"SENDER": "smtp", "SMTP_URL": "smtp://mail:99999"}, "SMTP_URL"),
        ({"OTP_KEYS": "k1:short"}, "OTP_KEYS"),
        ({"PRODUCT_NAME": "{{ 7*7 }}"}, "PRODUCT_NAME"),
        ({"PRODUCT_NAME": "Gate\r\nBcc: a@b.org"}, "PRODUCT_NAME"),
        ({"FROM_NAME": "Gate\r\nBcc: a@b.org"}, "FROM_NAME"),
        ({"FROM_NAME": "Gate\u2028post"}, "FROM_NAME"),
        ({"PRODUCT_URL": "javascript:alert(1)"}, "PRODUCT_URL"),
        ({"SUPPORT_EMAIL": "help"}, "SUPPORT_EMAIL"),
        ({"EMAIL_CONCURRENCY": "0"}, "EMAIL_CONCURRENCY"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
    ],
)
def test_an_unsafe_setting_is_named(changes: dict[str, str], named: str) -> None:
    assert named in problems(**changes)


@pytest.mark.parametrize("url", ["http://mail:8025", "http://127.0.0.1:8025", "http://[::1]:80"])
def test_plain_http_may_stay_on_the_machine_or_in_its_container_network(url: str) -> None:
    assert problems(SENDGRID_BASE_URL=url) == ""


def test_an_smtp_url_tells_server_credentials_and_encryption() -> None:
    url = "smtp://user%40example.org:p%2Fw@mail.example.org"
    smtp = read_settings(PRODUCTION | {"SENDER": "smtp", "SMTP_URL": url}).smtp

    assert smtp is not None
    assert (smtp.host, smtp.port, smtp.security) == ("mail.example.org", 587, "starttls")
    assert (smtp.username, smtp.password) == ("user@example.org", "p/w")
