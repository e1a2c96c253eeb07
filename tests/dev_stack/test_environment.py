"""What the services are started with: the user's variables win, secrets are drawn once."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from dev_stack import checkout, environment
from dev_stack.part import PartFailed
from dev_stack.ports import free_port


def test_secrets_are_drawn_once_and_are_nobody_elses_to_read(tmp_path: Path) -> None:
    first = environment.development_secrets(tmp_path)
    assert first == environment.development_secrets(tmp_path)
    assert len(first["MASTER_KEY"]) == 64
    assert (tmp_path / "secrets.env").stat().st_mode & 0o077 == 0


def test_users_variables_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "4000")
    monkeypatch.setenv("MASTER_KEY_FILE", "/run/secrets/master")
    monkeypatch.setenv("SENDER", "console")
    variables = environment.of_services(tmp_path, {"REDIS_URL": "redis://127.0.0.1:1/0"})
    assert variables["PUBLIC_BASE_URL"] == "http://localhost:4000"
    assert variables["REDIS_URL"] == "redis://127.0.0.1:1/0"
    assert "MASTER_KEY" not in variables
    assert environment.mailbox_url(variables) is None


def test_a_shell_can_read_what_the_services_run_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_NAME", "Ada's $HOME & co")
    monkeypatch.setenv("KAFKA_BROKER", "kafka.example.org:9092")
    variables = environment.of_services(tmp_path, {"REDIS_URL": "redis://127.0.0.1:1/0"})
    environment.write_for_shells(tmp_path, variables)
    file = tmp_path / "services.env"
    assert file.stat().st_mode & 0o777 == 0o600
    sourced = subprocess.run(
        ["sh", "-c", f"set -a; . {file}; env -0"], env={}, capture_output=True, check=True
    )
    read = dict(line.split("=", 1) for line in sourced.stdout.decode().split("\0") if line)
    assert all(read[name] == variables[name] for name in read.keys() - {"PWD", "_", "SHLVL"})
    assert {"FROM_NAME", "KAFKA_BROKER", "REDIS_URL", "MASTER_KEY", "PORT"} <= read.keys()
    assert "\nPATH=" not in file.read_text()


def test_all_unusable_ports_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        free = str(free_port())
        monkeypatch.setenv("PORT", "abc")
        monkeypatch.setenv("EMAIL_PROBE_PORT", str(number))
        monkeypatch.setenv("WORKER_PROBE_PORT", free)
        monkeypatch.setenv("MAIL_STAND_IN_PORT", free)
        assert environment.problems_with_ports() == [
            "PORT is 'abc': a port is a number from 1 to 65535.",
            f"Port {number} is in use: stop what has it, or set EMAIL_PROBE_PORT.",
            f"MAIL_STAND_IN_PORT and WORKER_PROBE_PORT both name port {free}.",
        ]


def test_checkout_belongs_to_one_stack_at_a_time(tmp_path: Path) -> None:
    with checkout.lock(tmp_path), pytest.raises(PartFailed, match="running"):
        checkout.lock(tmp_path).__enter__()
    with checkout.lock(tmp_path):
        pass
