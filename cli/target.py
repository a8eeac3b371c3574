"""Which system a command is about: the one of the environment, or the stack that runs on this machine."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from cli.errors import UserError
from cli.stack.detached import status
from cli.stack.plan import StackState
from cli.stack.probes import broker_asked
from shared.kernel.errors import Transient
from shared.runtime.settings import ServiceSettings

T = TypeVar("T")


def local_stack() -> StackState | None:
    """Return the stack of this machine, unless the environment names servers of its own."""
    return None if "GRIDLOOP_KAFKA" in os.environ else status()


def settings_of(stack: StackState | None) -> ServiceSettings:
    """Return the settings to reach a system with; those of a local stack are its own addresses."""
    if stack is None:
        return ServiceSettings()
    return ServiceSettings(kafka=stack.kafka, mongo=stack.mongo, local=True)


def asked(question: Coroutine[Any, Any, T]) -> T:
    """Run what asks the servers; one that does not answer is told in a sentence."""
    try:
        with broker_asked():
            return asyncio.run(question)
    except Transient as error:
        raise UserError(f"no answer: {error}.") from error
