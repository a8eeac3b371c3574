"""The generated files: JSON Schemas and AsyncAPI beside the models, OpenAPI of each service in docs/openapi.

Equal contracts give equal bytes, so a file that differs is stale, and its history is the contract's.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cli.contracts import asyncapi, openapi
from cli.stack.paths import ROOT
from shared.contracts.topics import Topic

ASYNCAPI: Final = "shared/contracts/asyncapi.json"
SCHEMAS: Final = "shared/contracts/schemas"
OPENAPI: Final = "docs/openapi"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_file(type_: str) -> str:
    """Return the path of a message's schema inside the repository."""
    return f"{SCHEMAS}/{type_}.json"


def schemas(topics: Sequence[Topic]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every message by its type."""
    models = {type_: model for topic in topics for type_, model in topic.models.items()}
    return {
        type_: {"$schema": DIALECT, "$id": type_, **model.model_json_schema(mode="validation")}
        for type_, model in sorted(models.items())
    }


def of_messages(topics: Sequence[Topic]) -> dict[str, str]:
    """Return the text of every file that is made from the topics, by its path inside the repository."""
    documents = {schema_file(type_): schema for type_, schema in schemas(topics).items()}
    documents[ASYNCAPI] = asyncapi.document(topics)
    return _texts(documents)


def of_services() -> dict[str, str]:
    """Return the text of every file that is made from the services, by its path inside the repository."""
    return _texts({f"{OPENAPI}/{name}.json": document for name, document in openapi.documents().items()})


def _texts(documents: Mapping[str, Any]) -> dict[str, str]:
    return {
        path: json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        for path, document in documents.items()
    }


def stale(texts: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """Return the files that are missing, differ, or belong to nothing any more."""
    stored = {name: (root / name).read_text(encoding="utf-8") for name in _stored(texts, root)}
    return sorted(name for name in texts.keys() | stored.keys() if texts.get(name) != stored.get(name))


def write(texts: Mapping[str, str], root: Path = ROOT) -> None:
    """Bring the files up to date; a generated file that belongs to nothing is removed."""
    for name in _stored(texts, root) - texts.keys():
        (root / name).unlink()
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def _stored(texts: Mapping[str, str], root: Path) -> set[str]:
    """Return the generated files there are: all JSON files of the folders that hold nothing else."""
    own = {folder for folder in (SCHEMAS, OPENAPI) if any(name.startswith(folder) for name in texts)}
    found = {f"{folder}/{path.name}" for folder in own for path in (root / folder).glob("*.json")}
    return found | {name for name in texts if (root / name).exists()}
