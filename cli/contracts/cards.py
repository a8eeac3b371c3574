"""What a change of a topic's card means to those who already write and read the topic.

The cards are compared as the AsyncAPI document says them, since that is what was promised.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cli.contracts.compatibility import Change

Document = Mapping[str, Any]

_FIXED: Final = ("key", "kind", "internal")


def compare_cards(old: Document, new: Document) -> list[Change]:
    """Return how the topics changed from one AsyncAPI document to another."""
    before, after = old["channels"], new["channels"]
    changes = [Change(name, "topic is gone", breaking=True) for name in before.keys() - after.keys()]
    changes += [Change(name, "new topic", breaking=False) for name in after.keys() - before.keys()]
    for name in before.keys() & after.keys():
        changes += _of_topic(name, before[name], after[name])
    return sorted(changes)


def _of_topic(name: str, old: Document, new: Document) -> Iterator[Change]:
    for type_ in old["messages"].keys() - new["messages"].keys():
        yield Change(name, f"{type_} is gone", breaking=True)
    for type_ in new["messages"].keys() - old["messages"].keys():
        # A reader skips the types it does not know: docs/integrate.md.
        yield Change(name, f"new type {type_}", breaking=False)
    said_before, said = old["x-gridloop"], new["x-gridloop"]
    for word in _FIXED:
        if said_before[word] != said[word]:
            yield Change(name, f"{word} {said_before[word]!r} became {said[word]!r}", breaking=True)
    for writer in sorted(set(said_before["producers"]) - set(said["producers"])):
        yield Change(name, f"{writer} may no longer write", breaking=True)
    for writer in sorted(set(said["producers"]) - set(said_before["producers"])):
        yield Change(name, f"{writer} may write", breaking=False)
    yield from _of_broker(name, old["bindings"]["kafka"], new["bindings"]["kafka"])


def _of_broker(name: str, old: Document, new: Document) -> Iterator[Change]:
    if old["partitions"] != new["partitions"]:
        # Every key would move to another partition, and its order would be lost.
        yield Change(name, f"{old['partitions']} partitions became {new['partitions']}", breaking=True)
    before, after = old["topicConfiguration"], new["topicConfiguration"]
    for word in sorted(before.keys() | after.keys()):
        if before.get(word) != after.get(word):
            longer = word in {"retention.ms", "max.message.bytes"} and after.get(word, 0) > before.get(
                word, 0
            )
            what = f"{word} {before.get(word)} became {after.get(word)}"
            yield Change(name, what, breaking=not longer)
