"""The error family, split by what the caller should do about it.

GridloopError
├── Permanent            bad data: never retry, dead-letter or reject
│   └── InvalidCode      (codes.py) a text that is no unit code or post id
├── Transient            infrastructure: retry with back-off
├── Conflict             a guard missed: drop memory, reload, go on
└── ConfigurationError   the process must not start like this
"""


class GridloopError(Exception):
    """An error with a stable `code`, the value at fault in `detail`, and named `fields` for the log."""

    def __init__(self, code: str, detail: str = "", **fields: object) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.fields = fields

    def __str__(self) -> str:
        """Keep one line, so that a log or a dead letter can carry it."""
        named = "".join(f" {name}={value!r}" for name, value in self.fields.items())
        return f"{self.code}: {self.detail}{named}" if self.detail else f"{self.code}{named}"


class Permanent(GridloopError):  # noqa: N818 (named by what to do, like its siblings)
    """Bad data. The same input fails for ever."""


class Transient(GridloopError):  # noqa: N818 (named by what to do, like its siblings)
    """Infrastructure. The same input may succeed later."""


class Conflict(GridloopError):  # noqa: N818 (named by what to do, like its siblings)
    """Somebody else wrote first: what is in memory is stale."""


class ConfigurationError(GridloopError):
    """Settings, keys or topics that do not fit together."""
