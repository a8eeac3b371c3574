"""docs/integrate.md: its snippets stand in the programs that are run; its tables say what the code says."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import pytest

from services.dispatch.domain.sheet import Why
from shared.contracts.dispatch import ACKS_TOPIC, PROGRESS
from shared.contracts.envelope import Message
from shared.flow.partitions import partition_of
from shared.flow.records import LARGEST_BODY, Unreadable
from shared.messaging.reading import read
from tests.contract.consumers import example, on_the_wire
from tests.fakes.log import arriving
from tests.harness import partners

GOOD = on_the_wire(example(ACKS_TOPIC.name, "executed-at-the-door"))
KEYS = [f"6108020060{number:02}" for number in range(1, 60)] + ["网格", "6108", "a"]


def without(name: str) -> Message:
    return replace(GOOD, headers=tuple(pair for pair in GOOD.headers if pair[0] != name))


def with_header(name: str, value: bytes) -> Message:
    return replace(GOOD, headers=(*without(name).headers, (name, value)))


BAD: Mapping[str, Message] = {
    "missing-header": without("ce_id"),
    "not-utf-8": with_header("ce_type", b"\xff"),
    "invalid-id": with_header("ce_id", b"short"),
    "unknown-type": with_header("ce_type", PROGRESS.encode()),
    "empty": replace(GOOD, value=None),
    "invalid-body": replace(GOOD, value=b'{"directive": 7}'),
    "wrong-key": replace(GOOD, key=b"610802006004"),
    "too-large": replace(GOOD, value=b" " * (LARGEST_BODY + 1)),
}


def table(title: str) -> list[str]:
    """Return the first column of the page's table under this heading."""
    rows = re.search(rf"^\| {re.escape(title)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text(), re.MULTILINE)
    assert rows is not None
    return re.findall(r"^\| `([^`]+)`", rows.group(1), re.MULTILINE)


def text() -> str:
    return partners.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "kind"), [("js", "node"), ("java", "java")])
def test_every_snippet_stands_in_the_program_that_is_run(language: str, kind: str) -> None:
    snippets = partners.blocks(language)
    assert len(snippets) >= 2
    program = partners.PROGRAMS[kind].read_text(encoding="utf-8")
    assert [snippet for snippet in snippets if snippet not in program] == []
    assert partners.PROGRAMS[kind].name in partners.command(kind)


def test_every_code_of_a_dead_letter_is_explained_and_is_what_it_says() -> None:
    assert table("`dlq_code`") == list(BAD)
    for code, record in BAD.items():
        found = read(arriving(record, offset=1))
        assert isinstance(found, Unreadable), code
        assert found.code == code
    assert not isinstance(read(arriving(GOOD, offset=1)), Unreadable)


def test_every_reason_not_to_count_an_answer_is_explained() -> None:
    assert table("why") == list(get_args(Why))


def test_kafkajs_places_a_key_where_we_do() -> None:
    partners.need("node")
    program = """
        import kafkajs from "kafkajs";
        const place = kafkajs.Partitioners.DefaultPartitioner();
        const partitionMetadata = [...Array(24).keys()].map((partitionId) => ({ partitionId, leader: 1 }));
        const places = process.argv.slice(1)
          .map((key) => place({ topic: "t", partitionMetadata, message: { key } }));
        console.log(places.join(" "));
    """
    done = subprocess.run(
        [shutil.which("node") or "node", "--input-type=module", "--eval", program, "--", *KEYS],
        cwd=partners.CLIENTS / "node",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert [int(place) for place in done.stdout.split()] == [partition_of(key.encode(), 24) for key in KEYS]
