"""What a check says: how bad, under which stable code, and what there is to see."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from cli.stack.probes import broker_asked
from shared.kernel.errors import Transient


class Level(IntEnum):
    """How bad it is; the worst is the exit status of the command."""

    OK = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One line."""

    level: Level
    code: str
    text: str

    def as_json(self) -> dict[str, str]:
        return {"level": self.level.name.lower(), "code": self.code, "text": self.text}


def ok(code: str, text: str) -> Finding:
    return Finding(Level.OK, code, text)


def warn(code: str, text: str) -> Finding:
    return Finding(Level.WARN, code, text)


def fail(code: str, text: str) -> Finding:
    return Finding(Level.FAIL, code, text)


def worst(findings: Iterable[Finding]) -> Level:
    return max((finding.level for finding in findings), default=Level.OK)


Check = Callable[[], Awaitable[Sequence[Finding]]]


async def checked(code: str, check: Check) -> Sequence[Finding]:
    """Run a check; a server that does not answer it is what the check has found."""
    try:
        with broker_asked():
            return await check()
    except (Transient, TimeoutError) as error:
        return [fail(code, f"no answer: {error or type(error).__name__}")]
