"""The generated files are those of the models, the cards and the services."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.contracts import artefacts
from cli.contracts.artefacts import ASYNCAPI, schema_file
from cli.stack.paths import ROOT
from shared.contracts.catalog import MODELS, TOPICS
from shared.messaging.admin import wanted
from tests.contract.examples import FOLDER
from tests.harness import partners

FRESH = "run `gridloop contracts export`"


def asyncapi() -> dict[str, Any]:
    return dict(json.loads((ROOT / ASYNCAPI).read_text(encoding="utf-8")))


def test_the_schemas_and_the_asyncapi_document_are_fresh() -> None:
    assert artefacts.stale(artefacts.of_messages(TOPICS)) == [], FRESH


def test_the_openapi_documents_are_fresh() -> None:
    assert artefacts.stale(artefacts.of_services()) == [], FRESH


def test_every_message_has_a_schema() -> None:
    texts = artefacts.of_messages(TOPICS)
    assert texts.keys() == {ASYNCAPI, *(schema_file(type_) for type_ in MODELS)}


def test_a_changed_a_missing_and_a_left_over_file_are_stale(tmp_path: Path) -> None:
    texts = artefacts.of_messages(TOPICS)
    artefacts.write(texts, tmp_path)
    assert artefacts.stale(texts, tmp_path) == []
    changed, missing, left_over = map(
        schema_file, ("gridloop.dispatch.tick.v1", "gridloop.dispatch.fill.v1", "gridloop.dispatch.gone.v1")
    )
    (tmp_path / changed).write_text("{}", encoding="utf-8")
    (tmp_path / missing).unlink()
    (tmp_path / left_over).write_text("{}", encoding="utf-8")
    assert artefacts.stale(texts, tmp_path) == [missing, left_over, changed]
    artefacts.write(texts, tmp_path)
    assert artefacts.stale(texts, tmp_path) == []
    assert not (tmp_path / left_over).exists()


def test_the_asyncapi_document_says_what_the_broker_is_told() -> None:
    channels = asyncapi()["channels"]
    assert channels.keys() == {topic.name for topic in TOPICS}
    for topic in wanted(channels["dispatch.acks.v1"]["bindings"]["kafka"]["partitions"], TOPICS):
        said = channels[topic.name]["bindings"]["kafka"] if topic.name in channels else None
        if said is not None:
            told = {
                name: ",".join(value) if isinstance(value, list) else str(value)
                for name, value in said["topicConfiguration"].items()
            }
            assert (said["partitions"], told) == (topic.partitions, topic.settings)


def test_the_asyncapi_document_names_every_group_message_and_schema() -> None:
    document = asyncapi()
    groups = {
        (operation["channel"]["$ref"].rpartition("/")[2], *operation["bindings"]["kafka"]["groupId"]["enum"])
        for operation in document["operations"].values()
        if operation["action"] == "receive"
    }
    assert groups == {(topic.name, group) for topic in TOPICS for group in topic.groups}
    for topic in TOPICS:
        messages = document["channels"][topic.name]["messages"]
        assert messages.keys() == topic.models.keys()
        for type_, said in messages.items():
            schema = (ROOT / ASYNCAPI).parent / said["payload"]["schema"]["$ref"]
            assert json.loads(schema.read_text(encoding="utf-8"))["$id"] == type_
            assert said["examples"], f"{topic.name} {type_} has no example that is short enough"


def test_the_asyncapi_documents_examples_are_the_published_ones() -> None:
    for name, channel in asyncapi()["channels"].items():
        for type_, said in channel["messages"].items():
            for example in said["examples"]:
                path = FOLDER / name / type_.split(".")[2] / f"{example['name']}.json"
                assert json.loads(path.read_text(encoding="utf-8")) == example["payload"]


@pytest.mark.parametrize("broken", [False, True])
def test_the_asyncapi_document_is_valid_by_the_meta_schema(tmp_path: Path, *, broken: bool) -> None:
    partners.need("node")
    document = asyncapi()
    if broken:
        del document["channels"]["dispatch.acks.v1"]["bindings"]["kafka"]["bindingVersion"]
        document["operations"]["dispatch.acks.v1.send"]["action"] = "publish"
    copy = tmp_path / "asyncapi.json"
    copy.write_text(json.dumps(document), encoding="utf-8")
    node, program = shutil.which("node") or "node", partners.CLIENTS / "node" / "validate.js"
    done = subprocess.run(
        [node, str(program), str(copy)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == int(broken), done.stderr
    assert ("/operations/dispatch.acks.v1.send/action" in done.stderr) == broken
