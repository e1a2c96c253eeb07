"""The package: installs by itself, imports nothing of ours, and does without Kafka."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatepost_client.environment import from_environment
from tests.clients.python.example_process import PACKAGE

SITE = "import sys; sys.path.insert(0, sys.argv[1]); sys.modules['confluent_kafka'] = None\n"
WITHOUT_KAFKA = """
import gatepost_client, gatepost_client.environment
assert gatepost_client.__file__.startswith(sys.argv[1]), gatepost_client.__file__
gatepost_client.environment.from_environment({
    "GATEPOST_ISSUER": "https://accounts.example.org", "GATEPOST_CLIENT_ID": "a",
    "GATEPOST_CLIENT_SECRET": "b"})
try:
    import gatepost_client.kafka
except ImportError:
    print("needs the extra")
"""


def run(*command: str | Path, folder: Path = PACKAGE) -> subprocess.CompletedProcess[str]:
    # A copy elsewhere is not what coverage is asked about.
    variables = {name: each for name, each in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_it_installs_offline_and_works_without_the_extra(tmp_path: Path) -> None:
    target = ("--target", tmp_path, "--python", sys.executable)
    run("-m", "uv", "pip", "install", "--offline", "--no-deps", "--no-cache", *target, PACKAGE)
    assert (tmp_path / "gatepost_client" / "py.typed").exists()
    # Isolated: neither this checkout nor what we are tested with leads to our own code.
    done = run("-I", "-c", SITE + WITHOUT_KAFKA, tmp_path, folder=tmp_path)
    assert done.stdout == "needs the extra\n"


def test_it_imports_nothing_of_ours_and_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"],
        cwd=PACKAGE,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "Contracts: 3 kept, 0 broken" in done.stdout


def test_every_setting_can_come_from_the_environment(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    common = {"GATEPOST_ISSUER": "https://accounts.example.org", "OTHER": "x"}
    gatepost = from_environment(
        common
        | {
            "GATEPOST_AUDIENCE": "shop",
            "GATEPOST_BASE_URL": "http://users:3000",
            "GATEPOST_ALLOW_HTTP": "true",
            "GATEPOST_WHEN_UNKNOWN": "trust",
            "GATEPOST_LONGEST_TOKEN_SECONDS": "900",
            "GATEPOST_KAFKA_BROKER": "broker:9092",
            "GATEPOST_KAFKA_TOPIC_PREFIX": "p-",
            "GATEPOST_LIFECYCLE_SOURCES": "crm, billing",
            "GATEPOST_MOST_BEHIND_SECONDS": "5",
            "GATEPOST_KAFKA_OPTIONS": '{"security.protocol": "SSL"}',
            "GATEPOST_CLIENT_ID": "shop",
            "GATEPOST_CLIENT_SECRET_FILE": str(secret),
        }
    )
    assert (gatepost._rules.audience, gatepost._rules.longest) == ("shop", 900)
    assert gatepost._trusts
    assert gatepost._wire._base_url == "http://users:3000"
    follower, introspector = gatepost._follower, gatepost._introspector
    assert follower is not None
    assert follower._reader.sources == {"gatepost/user-service", "crm", "billing"}
    assert follower._reader.topics[0] == "p-sessions_revoked"
    assert follower._most_behind == 5
    assert follower._config["security.protocol"] == "SSL"
    assert introspector is not None
    assert introspector._credentials == {"authorization": "Basic c2hvcDpzM2NyZXQ="}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"GATEPOST_ISSUER": "https://a.example", "GATEPOST_CLIENT_ID": "a"},
        {"GATEPOST_ISSUER": "https://a.example"},
        {"GATEPOST_ISSUER": "https://a.example", "GATEPOST_WHEN_UNKNOWN": "hope"},
    ],
)
def test_a_missing_or_wrong_variable_stops_the_start(variables: dict[str, str]) -> None:
    with pytest.raises((KeyError, ValueError)):
        from_environment(variables)
