"""Ports on the loopback address that stay free while their server is down."""

import random
import socket

from cli.stack.files import until

LOOPBACK = "127.0.0.1"
# Below the range from which kernels take the ports of outgoing connections: a server that restarts must
# find its port free, and no client may have grabbed it meanwhile.
FIRST, LAST = 20_000, 32_000
ATTEMPTS = 200


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do; a connection in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_port(*, taken: set[int], preferred: int | None = None, patience: float = 0.0) -> int:
    """Choose a free port outside `taken`: the preferred one (of the last run) if it can be had in time."""
    if preferred and preferred not in taken and until(lambda: is_free(preferred), seconds=patience):
        return preferred
    for _ in range(ATTEMPTS):
        port = random.randrange(FIRST, LAST)  # noqa: S311 - a port is no secret
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {FIRST} and {LAST} on {LOOPBACK}")
