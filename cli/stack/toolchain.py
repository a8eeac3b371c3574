"""What Kafka needs from this machine: Java 17 or newer, and Maven once, to fetch Kafka's own artifacts."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from cli.errors import UserError
from cli.stack.files import locked
from cli.stack.paths import DEPLOY, jars_dir

OLDEST_JAVA = 17
FETCH_SECONDS = 900
JAVA_HINT = "install a Java runtime of version 17 or newer (Debian and Ubuntu: openjdk-17-jre-headless)"
MAVEN_HINT = "install Maven (Debian and Ubuntu: maven); it fetches Kafka once"


def find_java() -> str:
    """Path of a Java that runs Kafka 4.3; the one in JAVA_HOME before the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else None
    java = java or shutil.which("java")
    if java is None:
        raise UserError(f"Kafka needs Java and none was found: {JAVA_HINT}.")
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    major = java_major(shown.stderr + shown.stdout)
    if major is None or major < OLDEST_JAVA:
        found = f"is version {major}" if major else "does not run"
        raise UserError(f"Kafka needs Java {OLDEST_JAVA} and the one found {found}: {JAVA_HINT}.")
    return java


def java_major(text: str) -> int | None:
    """Major version out of `java -version`; before Java 9 it stood behind "1."."""
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match.group(1)) if match else None


def kafka_jars() -> Path:
    """Directory of Kafka's jars, fetched on first use. Its name is the pom's hash: a new pom, a new fetch."""
    pom = DEPLOY / "pom.xml"
    cache = jars_dir()
    jars = cache / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    if jars.is_dir():
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "fetch.lock"):
        if not jars.is_dir():
            _fetch(pom, jars)
    return jars


def _fetch(pom: Path, jars: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise UserError(f"Kafka's jars are not here yet and Maven was not found: {MAVEN_HINT}.")
    print("Fetching Kafka once (44 MB) …", flush=True)
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetch-") as scratch:
        fetched = Path(scratch) / "jars"
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        done = subprocess.run(  # noqa: S603 - found on PATH
            [*command, f"-DoutputDirectory={fetched}"],
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
        if done.returncode or not list(fetched.glob("kafka_2.13-*.jar")):
            reason = next(iter((done.stdout + done.stderr).strip().splitlines()), "no output")
            raise UserError(f"Maven could not fetch Kafka's jars: {reason}")
        # Complete or absent: an interrupted fetch leaves nothing that looks like a cache.
        fetched.rename(jars)
