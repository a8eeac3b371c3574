"""What goes wrong for a reason the person at the keyboard can act on."""

from typing import ClassVar


class UserError(Exception):
    """Told as one sentence on standard error, without a traceback; the command ends with status 2.

    So do words on the command line that it does not know. Status 1 is left for what a command has found.
    """

    status: ClassVar[int] = 2
