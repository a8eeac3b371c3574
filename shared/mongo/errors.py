"""Driver errors in the house's words: what to retry, what to reload, what is the document's own fault."""

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import InvalidDocument
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure, PyMongoError

from shared.kernel.errors import Conflict, Transient

DUPLICATE_KEY = 11000
TOO_LARGE = frozenset({10334, 17280, 17419})
"""Server codes for a document it will never take."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise `Conflict` for a lost race or an unknown commit, `Transient` for an absent server.

    What remains (a document that cannot be encoded or is too large) is raised unchanged: it is the fault of
    the records at hand, and flow halves the batch until it has found them.
    """
    try:
        yield
    except (DocumentTooLarge, InvalidDocument):
        raise
    except PyMongoError as error:
        codes = _codes(error)
        if codes & TOO_LARGE:
            raise
        if error.has_error_label("UnknownTransactionCommitResult"):
            raise Conflict("commit-unknown", type(error).__name__) from error
        if DUPLICATE_KEY in codes or error.has_error_label("TransientTransactionError"):
            raise Conflict("guard-missed", type(error).__name__) from error
        raise Transient("mongo", f"{type(error).__name__} {sorted(codes)}") from error


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, BulkWriteError):
        return {problem["code"] for problem in error.details.get("writeErrors", ())}
    return {error.code} if isinstance(error, OperationFailure) and error.code else set()
