"""Scheme files: what ships says what the source says, and a file at fault says where."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.registry.domain.scheme import parse_scheme, qualified_posts
from services.registry.schemes import load_schemes, read_geography
from shared.kernel.codes import parse
from shared.kernel.errors import ConfigurationError
from tests.builders.registry import ROOT, SHAPES, shipped

CW5: dict[str, Any] = yaml.safe_load((ROOT / "schemes" / "cw5.yaml").read_text(encoding="utf-8"))


@pytest.mark.req("S0-03", "S0-04")
def test_the_sources_eight_counts_add_up_to_its_own_total() -> None:
    declared = shipped()["cw5"].declared
    assert declared is not None
    assert sum(declared.by_type.values()) == declared.posts == declared.people == 4170


@pytest.mark.req("S0-06", "S0-13")
def test_three_templates_share_the_top_three_posts_and_have_five_levels() -> None:
    scheme = shipped()["cw5"]
    assert {types[:3] for types in scheme.templates.values()} == {
        ("area-chief", "community-chief", "grid-chief")
    }
    assert len({types[3:] for types in scheme.templates.values()}) == len(scheme.templates) == 3
    for types in scheme.templates.values():
        assert [scheme.posts[type_].level for type_ in types] == [1, 2, 3, 4, 5]


@pytest.mark.req("S0-11")
def test_the_commercial_types_stand_outside_the_declared_total() -> None:
    scheme = shipped()["cw5"]
    assert scheme.declared is not None
    assert scheme.posts.keys() - scheme.declared.by_type.keys() == {"supervision-head", "shop-head"}


@pytest.mark.req("S0-12")
def test_each_post_type_has_the_sources_verb_and_is_done_accordingly() -> None:
    posts = shipped()["cw5"].posts
    assert {name: (post.verb, post.done) for name, post in posts.items()} == {
        "area-chief": ("commands", "relayed"),
        "community-chief": ("leads", "relayed"),
        "grid-chief": ("accountable", "relayed"),
        "grid-member": ("none", "read"),
        "building-head": ("liaises", "relayed"),
        "lane-head": ("liaises", "relayed"),
        "supervision-head": ("liaises", "relayed"),
        "floor-head": ("takes-charge", "executed"),
        "courtyard-head": ("takes-charge", "executed"),
        "shop-head": ("takes-charge", "executed"),
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"templates": {"apartment": ["area-chief", "nobody"]}}, "no post type is called 'nobody'"),
        ({"levels": {1: {}, 2: {}, 3: {}, 4: {}}}, "posts.floor-head: no level 5"),
        ({"declared": {"posts": 3, "by_type": {"floor-head": 2}}}, "by_type adds up to 2, posts says 3"),
        ({"care_unit": "galaxy"}, "no kind of unit is called 'galaxy'"),
        ({"household_level": 9}, "household_level: no level 9"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"posts": {}}, "posts"),
    ],
)
def test_a_scheme_at_fault_is_refused_with_the_place_of_the_fault(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match="invalid-scheme") as refused:
        parse_scheme(CW5 | change, origin="mine.yaml")
    assert said in str(refused.value)
    assert "mine.yaml" in str(refused.value)


def test_a_reference_into_a_scheme_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown-post-type"):
        qualified_posts({"cw5": shipped()["cw5"]})


def test_one_name_cannot_belong_to_two_files() -> None:
    with pytest.raises(ConfigurationError, match="scheme-named-twice"):
        load_schemes(SHAPES, SHAPES, ROOT / "schemes")


def test_a_folder_without_schemes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deadlines.yaml").write_text("versions: []\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no-schemes"):
        load_schemes(tmp_path)


@pytest.mark.req("T-01", "T-02", "S0-02")
def test_the_geography_slice_holds_the_seven_communities_and_their_ancestors() -> None:
    rows = list(read_geography(ROOT / "schemes" / "geography" / "610802006.json"))
    assert [(row.code, row.kind) for row in rows[:4]] == [
        ("61", "province"), ("6108", "city"), ("610802", "county"), ("610802006", "street"),
    ]  # fmt: skip
    communities = rows[4:]
    assert [row.code for row in communities] == [f"61080200600{n}" for n in range(1, 8)]
    for row in rows:
        assert parse(row.code).kind == row.kind
        assert row.name
    assert all(str(parse(row.code).parent()) == "610802006" for row in communities)
