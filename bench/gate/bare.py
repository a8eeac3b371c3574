"""What an answer costs that decides nothing: `python -m bench.gate.bare`, the server as services run it.

The same loop and HTTP parser, a body read and a small JSON object returned; no token, no pass, no spool.
"""

import contextlib
import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

ANSWER = {"crossing": "0" * 26, "verdict": "allow", "code": "home", "incomplete": [], "rules": "2020-01-01"}


async def decide(request: Request) -> JSONResponse:
    """Read the question and answer it."""
    await request.body()
    return JSONResponse(ANSWER)


def main() -> None:
    """Serve on a free port of this machine, and say which."""
    app = Starlette(routes=[Route("/gates/{gate}/decisions", decide, methods=["POST"])])
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
