"""A broken invariant, by name."""


class Broken(BaseException):
    """What must never happen did. No code under test may catch it, so it is no `Exception`."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant


class Violation(AssertionError):  # noqa: N818 - named by what happened, like the house's errors
    """What a run found, with its seed."""

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(message)
        self.invariant = invariant


def require(holds: object, invariant: str, detail: str) -> None:
    """Stop everything unless a named invariant holds."""
    if not holds:
        raise Broken(invariant, detail)
