"""The key file: rotation with overlap, withdrawal, and what is refused."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.checkpoint.keys import NO_KEYS, Keys, new_key
from services.checkpoint.pass_text import read
from shared.kernel.clock import SystemClock
from shared.kernel.errors import ConfigurationError
from tests.builders.gate import BEGAN, NOW, key_file, text


class Held:
    """A key file that is looked at again whenever it was changed."""

    def __init__(self, folder: Path) -> None:
        self.path = key_file(folder / "keys.json")
        self.at = NOW
        self.keys = Keys(self.path, self)

    def now(self) -> datetime:
        return self.at

    @property
    def listed(self) -> list[dict[str, str]]:
        return list(json.loads(self.path.read_text())["keys"])

    def put(self, *keys: dict[str, str]) -> None:
        held = json.loads(self.path.read_text())
        self.path.write_text(json.dumps({**held, "keys": keys}))
        self.at += timedelta(seconds=2)


@pytest.mark.req("F-08")
def test_three_rotations_refuse_no_pass_and_withdrawal_refuses_all_of_one_key(tmp_path: Path) -> None:
    held = Held(tmp_path)
    first = text(held.keys.current())
    texts = [first]
    for number in (1, 2, 3):
        held.put(*held.listed, new_key(BEGAN + timedelta(days=number)))
        texts.append(text(held.keys.current()))
        assert all(read(each, held.keys.current()) for each in texts)
    assert len(set(texts)) == 4
    held.put(*held.listed[1:])
    taken = [bool(read(each, held.keys.current())) for each in texts]
    assert taken == [False, True, True, True]


def test_a_key_signs_from_its_day_on_and_verifies_before(tmp_path: Path) -> None:
    held = Held(tmp_path)
    old = held.keys.current().signer(NOW)
    held.put(*held.listed, new_key(NOW + timedelta(days=1)))
    assert held.keys.current().signer(NOW).kid == old.kid
    tomorrow = held.keys.current().signer(NOW + timedelta(days=1))
    assert tomorrow.kid != old.kid
    assert len(held.keys.current().verifying) == 2


def test_a_key_without_its_private_part_only_verifies(tmp_path: Path) -> None:
    held = Held(tmp_path)
    one = text(held.keys.current())
    held.put({name: value for name, value in held.listed[0].items() if name != "private"})
    assert held.keys.current().signer(NOW) is None
    assert read(one, held.keys.current())


def test_a_file_that_breaks_leaves_the_last_keys_in_force(tmp_path: Path) -> None:
    held = Held(tmp_path)
    one = text(held.keys.current())
    held.path.write_text("{")
    held.at += timedelta(seconds=2)
    assert read(one, held.keys.current())
    held.path.unlink()
    held.at += timedelta(seconds=2)
    assert read(one, held.keys.current())


@pytest.mark.parametrize(
    "wrong",
    [
        {"kid": "0011223344556677"},
        {"kid": "zz"},
        {"public": "AAAA"},
        {"private": new_key(BEGAN)["private"]},
        {"since": "2026-01-01T00:00:00"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_file_is_refused_by_name_and_shows_no_key(tmp_path: Path, wrong: dict[str, str]) -> None:
    held = Held(tmp_path)
    held.put({**held.listed[0], **wrong})
    with pytest.raises(ConfigurationError, match=r"keys\.json") as refused:
        Keys(held.path, held)
    assert held.listed[0]["private"] not in str(refused.value)
    with pytest.raises(ConfigurationError):
        Keys(tmp_path / "absent.json", held)


def test_without_a_file_there_are_no_keys() -> None:
    assert Keys(None, SystemClock()).current() is NO_KEYS
    assert NO_KEYS.signer(NOW) is None


@pytest.mark.req("F-08")
def test_a_pseudonym_tells_nothing_and_differs_between_households(tmp_path: Path) -> None:
    keys = Held(tmp_path).keys.current()
    names = {keys.pseudonym(house, "person-1") for house in ("house-1", "house-2")}
    assert len(names) == 2
    assert keys.pseudonym("house-1", "person-1") in names
    assert all(len(name) == 20 and name.isalnum() and "person" not in name for name in names)


def test_what_is_published_has_no_private_part(tmp_path: Path) -> None:
    held = Held(tmp_path)
    shown = json.dumps(held.keys.current().public)
    assert held.listed[0]["public"] in shown
    assert held.listed[0]["private"] not in shown
    assert "'d'" not in shown
