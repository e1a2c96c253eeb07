"""The jars of a Kafka broker, fetched once per user by Maven from what pom.xml names."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17


class NoKafka(Exception):
    """A real broker cannot run on this machine; the message says what is missing."""


def directory(say: Callable[[str], None]) -> Path:
    """Where the jars lie, after fetching them if need be; raises NoKafka.

    `say` is told of the download's progress. Checkouts share one directory per content of pom.xml.
    """
    _require_java()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatepost"
    cache.mkdir(parents=True, exist_ok=True)
    jars = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.exists():
            _fetch(jars, say)
    return jars


def _require_java() -> None:
    if shutil.which("java") is None:
        raise NoKafka(f"there is no `java` (Kafka needs {OLDEST_JAVA} or newer)")
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', told.stderr)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise NoKafka(f"`java` is older than {OLDEST_JAVA}")


def _fetch(jars: Path, say: Callable[[str], None]) -> None:
    if shutil.which("mvn") is None:
        raise NoKafka("there is no `mvn` (Maven) to fetch the broker's jars with")
    say("Fetching Kafka's jars with Maven, once per user (about 45 MB)")
    partial = jars.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
    with subprocess.Popen(
        ["mvn", "-B", "-f", str(POM), *goal],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as maven:
        problems = _follow(maven, say)
    if maven.returncode != 0:
        raise NoKafka("Maven could not fetch the broker's jars: " + " ".join(problems[:2]))
    partial.rename(jars)


def _follow(maven: subprocess.Popen[str], say: Callable[[str], None]) -> list[str]:
    """Report each jar of Kafka's that has come, and return Maven's complaints."""
    problems = []
    fetched = 0
    ours = False
    for line in maven.stdout or ():
        if line.startswith("[ERROR]"):
            problems.append(line.removeprefix("[ERROR]").strip())
        # Maven fetches its own plugins before our project's jars, and theirs before it copies.
        ours = (ours or "< gatepost:dev-stack >" in line) and ":copy-dependencies" not in line
        if ours and (jar := re.search(r"Downloaded.*/([^/]+\.jar) \(([^)]*)\)", line)):
            fetched += 1
            say(f"  {fetched:3} {jar[1]} ({jar[2]})")
    return problems
