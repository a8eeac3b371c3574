"""OpenAPI of every service, from its app with default settings; nothing is connected.

Built in a process of its own, in an empty folder: a gate opens its spool as soon as its app is made.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from cli.stack.services import SERVICE_NAMES


def documents() -> dict[str, dict[str, Any]]:
    """Return the document of each service by its name."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GRIDLOOP_")}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 - this module
            [sys.executable, "-m", __name__], cwd=folder, env=plain, stdout=subprocess.PIPE, check=True
        )
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def _document(service: str) -> dict[str, Any]:
    settings = importlib.import_module(f"services.{service}.settings")
    wiring = importlib.import_module(f"services.{service}.wiring")
    app = wiring.build_app(getattr(settings, f"{service.capitalize()}Settings")())
    document: dict[str, Any] = app.openapi()
    return document


if __name__ == "__main__":
    json.dump({service: _document(service) for service in SERVICE_NAMES}, sys.stdout)
