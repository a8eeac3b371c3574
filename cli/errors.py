"""What goes wrong for a reason the person at the keyboard can act on."""


class UserError(Exception):
    """Told as one sentence on standard error, without a traceback; the command ends with status 1."""
