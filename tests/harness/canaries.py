"""Unique strings in the place of personal data: wherever one of them is seen, personal data would be seen."""

import json
from collections.abc import Collection, Iterator
from typing import Any, Final

MARK: Final = "canary7f3a91"
PERSONAL: Final = {
    field: f"{MARK}-{field}"
    for field in ("name", "phone", "document", "address", "plate", "id_card", "token")
}


def with_canaries(body: Any) -> Any:
    """Return a body in which every object has personal fields that nobody asked for."""
    if isinstance(body, dict):
        return {name: with_canaries(value) for name, value in body.items()} | {
            name: value for name, value in PERSONAL.items() if name not in body
        }
    return [with_canaries(each) for each in body] if isinstance(body, list) else body


def spoiled(body: dict[str, Any], but: Collection[str] = ()) -> Iterator[bytes]:
    """Yield bodies with a canary wherever somebody may put what belongs elsewhere, `but` in free texts."""
    yield json.dumps(with_canaries(body)).encode()
    for name in body.keys() - set(but):
        yield json.dumps({**body, name: f"{MARK}-{name}"}).encode()
        yield json.dumps({**body, name: {f"{MARK}-key": f"{MARK}-value"}}).encode()
        yield json.dumps({**body, name: [f"{MARK}-item"]}).encode()
    yield MARK.encode()
    yield f'{{"{MARK}": '.encode()
    yield json.dumps({MARK: MARK}).encode()
    yield json.dumps([MARK]).encode()
    yield f'"{MARK}\udcff"'.encode("utf-8", "surrogateescape")
