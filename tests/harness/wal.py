"""SQLite's write-ahead log as a power cut finds it: where each committed transaction ends in the file.

Read by SQLite's published format, not through SQLite, so that a test can say what was safe before the cut.
"""

import struct
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")


def wal_of(spool: Path) -> Path:
    return spool.with_name(f"{spool.name}-wal")


def commit_ends(wal: Path) -> list[int]:
    """Return the offset behind each committed transaction of the log, the newest last; [] without a log."""
    content = wal.read_bytes() if wal.exists() else b""
    if len(content) < _HEADER.size:
        return []
    _, _, page, _, *salts, _, _ = _HEADER.unpack_from(content)
    ends = []
    size = _FRAME.size + page
    for start in range(_HEADER.size, len(content) - size + 1, size):
        _, pages_after_commit, *frame_salts, _, _ = _FRAME.unpack_from(content, start)
        if frame_salts != salts:
            break  # what an earlier use of the file left
        if pages_after_commit:
            ends.append(start + size)
    return ends
