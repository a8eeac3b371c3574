"""JSON Schemas of every message, for those who publish or read without Python.

`python -m shared.contracts.export` writes them beside this file; `--check` only says whether they are fresh.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.contracts.catalog import MODELS

FOLDER = Path(__file__).with_name("schemas")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> Mapping[str, str]:
    """Return the text of each schema file by its name; equal contracts give equal texts."""
    texts = {}
    for type_, model in sorted(MODELS.items()):
        schema = {"$schema": DIALECT, "$id": type_, **model.model_json_schema(mode="validation")}
        texts[f"{type_}.json"] = json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
    return texts


def stale(folder: Path = FOLDER) -> list[str]:
    """Return the files that are missing, differ, or belong to no message any more."""
    wanted = schemas()
    stored = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*")}
    return sorted(name for name in wanted.keys() | stored.keys() if wanted.get(name) != stored.get(name))


def write(folder: Path = FOLDER) -> None:
    """Bring the folder up to date."""
    folder.mkdir(exist_ok=True)
    wanted = schemas()
    for path in folder.glob("*"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Write the schemas, or with `--check` return 1 and name what is stale."""
    if "--check" not in arguments:
        write()
        return 0
    names = stale()
    if names:
        sys.stderr.write(f"stale, run `python -m shared.contracts.export`: {', '.join(names)}\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
