"""A log that cannot be written must harm nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOGS_ONCE = """
import structlog
from shared.log import configure_log
configure_log("anybody")
structlog.get_logger().info("happened", to="Zoë")
"""


def test_who_logs_to_a_full_disk_goes_on_and_ends_well() -> None:
    with Path("/dev/full").open("wb") as full_disk:
        done = subprocess.run(
            [sys.executable, "-c", LOGS_ONCE], stdout=full_disk, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_stands_still_holds_up_nobody() -> None:
    logs = LOGS_ONCE + 'for _ in range(20_000): structlog.get_logger().info("more", to="x" * 50)'
    command = [sys.executable, "-c", logs]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.wait(20) == 0
        assert process.stdout
        lines = process.stdout.read().splitlines()
    # What it had room for is there, and whole.
    assert len([json.loads(line) for line in lines]) > 100


def test_what_is_no_text_is_logged_all_the_same() -> None:
    logs = LOGS_ONCE.replace("Zoë", "\\udce9")
    done = subprocess.run([sys.executable, "-c", logs], capture_output=True, check=True)
    assert json.loads(done.stdout)["to"] == "\udce9"


def test_a_line_is_json_with_its_level_time_and_service() -> None:
    done = subprocess.run([sys.executable, "-c", LOGS_ONCE], capture_output=True, check=True)
    line = json.loads(done.stdout)
    told = {name: line[name] for name in ("event", "level", "service", "to")}
    assert told == {"event": "happened", "level": "info", "service": "anybody", "to": "Zoë"}
    assert line["time"].endswith("Z")
