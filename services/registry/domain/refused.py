"""A row that cannot be accepted."""

from shared.kernel.errors import Permanent


class Refused(Permanent):
    """Why not: a stable code for programs, and what it is about."""
