"""Unit codes and post ids: what is one, what kind it is, where it hangs by default."""

from contextlib import suppress
from itertools import pairwise
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, TypeAdapter, ValidationError

from shared.kernel.codes import (
    KINDS,
    LETTERS,
    LEVELS,
    InvalidCode,
    PostId,
    desk_of,
    desk_of_post,
    parse,
)

LEVEL = st.sampled_from(sorted(LEVELS))
SEGMENT = st.builds(
    "{}{}".format, st.sampled_from(sorted(LETTERS)), st.text("0123456789", min_size=1, max_size=6)
)


@st.composite
def unit_codes(draw: st.DrawFn) -> str:
    digits = draw(LEVEL)
    head = draw(st.text("0123456789", min_size=digits, max_size=digits))
    return ".".join([head, *draw(st.lists(SEGMENT, max_size=8))])


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True)
POSTS = st.builds(PostId, unit_codes(), NAMES, NAMES, st.none() | st.integers(1, 99_999))


@pytest.mark.req("T-01")
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("61", "province"),
        ("6108", "city"),
        ("610802", "county"),
        ("610802006", "street"),
        ("610802006003", "community"),
        ("610802006003007", "grid"),
        ("610802006003007.b12", "building"),
        ("610802006003007.b12.f3", "floor-span"),
        ("141002108210.g4", "residents-group"),
        ("141002.x1", "functional-zone"),
        ("421221103001.z2", "defence-zone"),
        ("610802006003.l5.y2", "courtyard"),
    ],
)
def test_the_last_segment_gives_the_kind(code: str, kind: str) -> None:
    assert parse(code).kind == kind
    assert kind in KINDS


@pytest.mark.req("T-01")
@pytest.mark.parametrize("code", ["610802999", "610802000", "000000000000", "994100250999"])
def test_odd_digits_are_legal(code: str) -> None:
    assert parse(code).text == code


@pytest.mark.parametrize(
    "code",
    [
        "",
        "6",
        "61080",
        "61080200600300",
        "6108020060030071",
        "610802006003007.",
        "610802006003007.b",
        "610802006003007.12",
        "610802006003007.q1",
        "610802006003007.B1",
        "610802006003007..b1",
        "610802006003007.b1234567",
        "610802006003007" + ".b1" * 9,
        ".b1",
        "61b1",
        "610802006003007.b1\n",
        "６１０８",
        "610802006003007/cw5:grid-chief",
    ],
)
def test_what_has_another_form_is_refused(code: str) -> None:
    with pytest.raises(InvalidCode) as caught:
        parse(code)
    assert (caught.value.code, caught.value.detail) == ("invalid-unit-code", code)


@pytest.mark.req("T-03")
def test_the_default_path_of_a_grid_runs_through_its_community() -> None:
    path = [unit.text for unit in parse("610802006003007.b1.f2").ancestors()]
    assert path == [
        "61",
        "6108",
        "610802",
        "610802006",
        "610802006003",
        "610802006003007",
        "610802006003007.b1",
    ]


@given(unit_codes())
def test_a_code_reads_as_it_was_written(code: str) -> None:
    assert str(parse(code)) == code


@given(unit_codes())
def test_each_ancestor_is_the_parent_of_the_next(code: str) -> None:
    line = [*parse(code).ancestors(), parse(code)]
    assert line[0].parent() is None
    for above, below in pairwise(line):
        assert below.parent() == above


@given(unit_codes())
def test_a_place_shares_its_desk_with_its_community(code: str) -> None:
    desk = desk_of(code)
    assert desk_of(desk) == desk
    assert parse(desk).kind in {"province", "city", "county", "street", "community"}
    inside = [unit.text for unit in parse(code).ancestors() if len(unit.text) > 12]
    assert {desk_of(unit) for unit in inside} <= {desk}


@given(st.text("0123456789.abz/:", max_size=20))
def test_any_text_is_a_code_or_refused(text: str) -> None:
    with suppress(InvalidCode):
        assert parse(text).text == text


@pytest.mark.parametrize(
    ("code", "desk"),
    [
        ("610802006003007.b12.f3", "610802006003"),
        ("610802006003.k1", "610802006003"),
        ("610802006003", "610802006003"),
        ("610802006", "610802006"),
        ("141002.x1", "141002"),
        ("61", "61"),
    ],
)
def test_desk_of(code: str, desk: str) -> None:
    assert desk_of(code) == desk


@given(POSTS)
def test_a_post_id_reads_as_it_was_written(post: PostId) -> None:
    assert PostId.parse(str(post)) == post
    assert desk_of_post(str(post)) == desk_of(post.unit)


def test_a_post_id_names_unit_scheme_type_and_number() -> None:
    assert PostId.parse("610802006003007/cw5:grid-chief") == PostId("610802006003007", "cw5", "grid-chief")
    second = PostId.parse("610802006003007/cw5:grid-member/2")
    assert (second.type, second.number) == ("grid-member", 2)


@pytest.mark.parametrize(
    "text",
    [
        "610802006003007",
        "610802006003007/grid-chief",
        "610802006003007/cw5:",
        "610802006003007/cw5:grid-chief/0",
        "610802006003007/cw5:grid-chief/02",
        "610802006003007/cw5:grid-chief/2/3",
        "610802006003007/CW5:grid-chief",
        "/cw5:grid-chief",
        "610802006003007/cw5:grid-chief\n",
    ],
)
def test_what_is_no_post_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidCode):
        PostId.parse(text)


def test_the_unit_of_a_post_id_must_be_a_code() -> None:
    with pytest.raises(InvalidCode, match="invalid-unit-code"):
        PostId.parse("61080/cw5:grid-chief")


def test_a_model_reports_a_bad_code_as_a_fault_of_its_field() -> None:
    code = TypeAdapter(Annotated[str, AfterValidator(lambda text: parse(text).text)])
    with pytest.raises(ValidationError, match="invalid-unit-code"):
        code.validate_python("nowhere")


def test_letters_and_levels_name_each_kind_once() -> None:
    assert "".join(sorted(LETTERS)) == "abcdefgiklmpswxyz"
    assert len(KINDS) == len(LETTERS) + len(LEVELS)
    assert all(kind.en and kind.zh for kind in KINDS.values())
