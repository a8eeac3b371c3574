"""What Celery's workers run: one task an answer, and the callback that has them all."""

import json
from collections import Counter
from typing import Any, Final

from celery import Celery
from celery.signals import worker_ready

from shared.contracts.dispatch import Answer

UP: Final = "bench:up"
COUNTED: Final = "bench:counted"

app = Celery("bench")


@app.task  # type: ignore[untyped-decorator] # Celery has no types
def answer(body: str) -> str:
    """Check one answer and return the desk whose it is."""
    return Answer.model_validate_json(body).desk


@app.task  # type: ignore[untyped-decorator] # Celery has no types
def count(desks: list[str]) -> None:
    """Count by desk, once every answer has come, and leave it where an outsider reads it."""
    app.backend.client.set(COUNTED, json.dumps(Counter(desks)))


@worker_ready.connect  # type: ignore[untyped-decorator] # Celery has no types
def up(**_: Any) -> None:
    """Say that tasks are taken from now on."""
    app.backend.client.set(UP, "1")
