"""The two partners of docs/integrate.md, run by the very commands that stand there."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cli.stack.paths import ROOT
from cli.stack.toolchain import kafka_jars

PAGE: Path = ROOT / "docs" / "integrate.md"
CLIENTS: Path = ROOT / "docs" / "clients"
PROGRAMS = {"node": CLIENTS / "node" / "partner.js", "java": CLIENTS / "java" / "Partner.java"}
# Short-lived, on few cores: what the local stack gives its own Java programs.
JAVA_OPTIONS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
ENDS_WITHIN_S = 100.0
"""The programs give up by themselves after 90 s."""


def blocks(language: str) -> list[str]:
    """Return the page's blocks of one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def command(kind: str) -> str:
    """Return the page's command that runs a partner."""
    (found,) = [line for block in blocks("sh") for line in block.splitlines() if PROGRAMS[kind].name in line]
    return found


def need(kind: str) -> None:
    """Skip the test where a partner's tools are not on this machine."""
    if kind == "node" and not shutil.which("node"):
        pytest.skip("Node is not installed")
    if kind == "node" and not (CLIENTS / "node" / "node_modules" / ".package-lock.json").is_file():
        pytest.skip("`make test` could not fetch the Node partner's packages")
    if kind == "java" and "jdk.compiler@" not in _java_modules():
        pytest.skip("no Java, or one without its compiler: a JDK is needed to run a source file")


@cache
def _java_modules() -> str:
    java = shutil.which("java")
    if java is None:
        return ""
    return subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=False).stdout


async def run(kind: str, kafka: str, directive: str, desk: str, *more: str) -> dict[str, Any]:
    """Run a partner to its end, which must be good, and return its last line."""
    given = {"KAFKA": kafka, "DIRECTIVE": directive, "DESK": desk}
    if kind == "java":
        given |= {"JARS": str(kafka_jars()), "JDK_JAVA_OPTIONS": JAVA_OPTIONS}
    process = await asyncio.create_subprocess_shell(
        " ".join((command(kind), *more)),
        cwd=ROOT,
        env={**os.environ, **given},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complained = await asyncio.wait_for(process.communicate(), ENDS_WITHIN_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{kind}: {said.decode()}\n{complained.decode()[-3000:]}"
    return dict(json.loads(said.decode().splitlines()[-1]))
