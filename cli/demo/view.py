"""Showing an act while it is played: a live table on a terminal, plain lines anywhere else."""

import asyncio
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table

REDRAW_S = 0.25
LINE_EVERY_S = 3.0


async def show(table: Callable[[], Table], line: Callable[[], str]) -> None:
    """Show how an act goes until cancelled."""
    console = Console()
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            print(line(), flush=True)
    with Live(table(), console=console, auto_refresh=False) as live:
        try:
            while True:
                await asyncio.sleep(REDRAW_S)
                live.update(table(), refresh=True)
        finally:
            live.update(table(), refresh=True)
