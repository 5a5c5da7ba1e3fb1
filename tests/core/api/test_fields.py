"""The fields of an endpoint: what a cell may hold, what it costs, and where it goes in a body."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from pipeline.core.api.fields import Parent, body_of, fields_of, price_of, problems_with
from pipeline.core.api.provider import Endpoint, Field, Price
from pipeline.core.model import Part
from tests.fakes.cases import each

IMAGE = Endpoint(
    path="/image",
    urls=("images[]",),
    send={"input.kind": "image"},
    credits=10,
    prices=(Price({"model": "small"}, 2), Price({"model": "large", "quality": "low"}, 5)),
    credits_times="count",
    select="model",
    one_of=(("prompt", "lyrics"),),
    fields={
        "prompt": Field(longest=20, to="input.prompt"),
        "lyrics": Field(),
        "model": Field(one_of=("Small", "Large", "old"), ended={"old": date(2026, 5, 12)}),
        "quality": Field(one_of=("low", "high"), only=("large",)),
        "size": Field(
            variants=(
                Field(only=("small",), one_of=("256", "512"), to="small.size"),
                Field(only=("large",), type="integer", least=64, most=2048, to="large.size"),
            ),
            only=("none of them",),
        ),
        "count": Field(type="integer", as_text=True, least=1, most=4),
        "images": Field(type="addresses", items=(1, 2)),
        "tags": Field(type="list"),
        "mask": Field(type="file", to="input.mask"),
        "loud": Field(type="boolean", as_text=True),
    },
)
UPSCALE = Endpoint(
    path="/upscale",
    urls=("image",),
    credits=1,
    fields={
        "parent_task_id": Field(parent="task", required=True),
        "image_url": Field(type="address", parent="url"),
        "index": Field(type="integer", least=1, most=4, as_text=True),
        "song": Field(parent="id"),
    },
)


IDEOGRAM = Field(
    pattern=r"ASPECT_\d{1,2}_\d{1,2}", ratio="ASPECT_{width}_{height}", says="written like 16:9"
)


@each("text", ["16:9", "ASPECT_16_9"])
def test_a_ratio_is_sent_as_the_api_writes_it(text: str) -> None:
    endpoint = replace(IMAGE, fields={"prompt": Field(), "aspect_ratio": IDEOGRAM})
    wrote = {"prompt": "a fox", "aspect_ratio": text}

    assert problems_with(endpoint, wrote) == []
    assert body_of(endpoint, wrote, None)[0]["aspect_ratio"] == "ASPECT_16_9"


@each("text", ["wide", "160:9", "16:9:4", "0:9"])
def test_what_is_no_ratio_of_the_api_is_not_sent(text: str) -> None:
    endpoint = replace(IMAGE, fields={"prompt": Field(), "aspect_ratio": IDEOGRAM})

    (said,) = problems_with(endpoint, {"prompt": "a fox", "aspect_ratio": text})

    assert said == f'aspect_ratio is "{text}"; it must be written like 16:9'


def problems(**wrote: str) -> list[str]:
    return problems_with(IMAGE, {"prompt": "a fox", **wrote})


@each(
    "wrote",
    [
        {"model": "SMALL", "size": "512"},
        {"model": "large", "size": "64", "quality": "LOW"},
        {"quality": "low"},  # without a model, its default may have it
        {"images": "https://a/1.png\nhttps://a/2.png"},
        {"images": "https://a/1,2.png, https://a/3.png"},
        {"count": "4", "loud": "Yes", "tags": "a, b,c"},
        {"lyrics": "la", "prompt": ""},
    ],
)
def test_a_row_without_mistakes_has_no_problems(wrote: dict[str, str]) -> None:
    assert problems(**wrote) == []


@each(
    ("wrote", "problem"),
    [
        ({"prompt": "x" * 21}, "prompt has 21 characters; the most are 20"),
        ({"prompt": ""}, "prompt and lyrics are empty: write one of them"),
        ({"model": "huge"}, "model is “huge”; it can be Small, Large"),
        ({"model": "OLD"}, "“OLD” ended on 2026-05-12: choose another model, such as Small, Large"),
        ({"model": "small", "size": "300"}, "size is “300”; it can be 256, 512"),
        ({"model": "large", "size": "3000"}, "size is “3000”; it must be from 64 to 2048"),
        ({"model": "large", "size": "wide"}, "size is “wide”; it must be a whole number"),
        (
            {"model": "small", "quality": "low"},
            "small has no quality; it is for large: clear that cell",
        ),
        ({"count": "0"}, "count is “0”; it must be from 1 to 4"),
        ({"images": "a fox"}, "images is “a fox”; it must be addresses that begin with https://"),
        (
            {"images": "https://a/1 https://a/2 https://a/3"},
            "images holds 3; it must hold 1 to 2, one on each line",
        ),
        ({"loud": "perhaps"}, "loud is “perhaps”; it must be yes or no"),
    ],
)
def test_a_mistake_names_the_column_the_value_and_what_is_allowed(
    wrote: dict[str, str], problem: str
) -> None:
    assert [one.replace('"', "”").replace("”", "“", 1) for one in problems(**wrote)] == [
        problem.replace("”", "”")
    ]


def test_an_address_of_another_kind_is_not_taken_for_the_name_of_a_file() -> None:
    wrote = {"prompt": "a fox", "images": "ftp://a/1.png"}

    (problem,) = problems_with(IMAGE, wrote, takes_uploads=True)

    assert problem == 'images is "ftp://a/1.png"; write an address that begins with https://'


@each(
    ("wrote", "price"),
    [
        ({}, 10),
        ({"model": "SMALL"}, 2),
        ({"model": "large"}, 10),
        ({"model": "large", "quality": "low"}, 5),
        ({"model": "small", "count": "3"}, 6),
        ({"count": "many"}, 10),
    ],
)
def test_the_price_is_that_of_the_first_line_that_agrees_with_the_row(
    wrote: dict[str, str], price: int
) -> None:
    assert price_of(IMAGE, wrote) == price


def test_without_a_listed_price_there_is_none() -> None:
    assert price_of(replace(IMAGE, credits=None, prices=()), {"count": "3"}) is None


def test_a_body_has_each_value_in_its_place_with_its_type() -> None:
    body, parts = body_of(
        IMAGE,
        {
            "prompt": "a fox",
            "model": "LARGE",
            "size": "512",
            "count": "2",
            "loud": "yes",
            "tags": "a,b",
            "mask": "mask.png",
            "images": "https://a/1.png",
        },
        None,
    )

    assert body == {
        "input": {"kind": "image", "prompt": "a fox"},
        "model": "Large",
        "large": {"size": 512},
        "count": "2",
        "loud": "true",
        "tags": ["a", "b"],
        "images": ["https://a/1.png"],
    }
    assert parts == (Part("input.mask", "mask.png", "base64"),)


def test_empty_cells_send_no_field_at_all() -> None:
    assert body_of(IMAGE, {"prompt": ""}, None)[0] == {"input": {"kind": "image"}}


def test_a_follow_up_sends_what_its_parent_made() -> None:
    parent = Parent("t-1", ("https://a/1.png", "https://a/2.png"), ("s1", "s2"))

    body, _ = body_of(UPSCALE, {"index": "2"}, parent)

    assert body == {
        "parent_task_id": "t-1",
        "image_url": "https://a/2.png",
        "index": "2",
        "song": "s2",
    }


def test_what_a_person_wrote_comes_before_what_the_parent_made() -> None:
    wrote = {"image_url": "https://mine/1.png"}

    assert body_of(UPSCALE, wrote, Parent("t", ("https://a/1.png",)))[0]["image_url"] == (
        "https://mine/1.png"
    )


def test_a_follow_up_needs_a_parent() -> None:
    said = "parent is empty: write the name of the row that this one follows"

    assert problems_with(UPSCALE, {}) == [said]
    assert problems_with(UPSCALE, {}, has_parent=True) == []


class Renamed:
    """Columns of a sheet: all fields but `missing` are there, with titles of the team's own."""

    def title(self, name: str) -> str:
        return f"My {name}"

    def has(self, name: str) -> bool:
        return name != "missing"


@each(
    ("field", "wanted"),
    [
        (Field(required=True), "one"),
        (Field(required=True, one_of=("720p",)), "720p"),
        (Field(required=True, one_of=("5s", "9s", "10s")), "5s, 9s or 10s"),
        (Field(required=True, one_of=("a", "b"), ended={"a": date(2026, 5, 12)}), "b"),
        (
            Field(required=True, one_of=tuple("abcdefghijkl")),
            "one of a, b, c, d, e, f, g, h, i, j …",
        ),
        (Field(required=True, type="integer", least=1, most=4), "a whole number, from 1 to 4"),
        (Field(required=True, pattern="x", says="a ratio, such as 16:9"), "a ratio, such as 16:9"),
        (Field(required=True, type="boolean"), "yes or no"),
    ],
)
def test_an_empty_cell_is_named_by_its_title_with_what_to_write(field: Field, wanted: str) -> None:
    endpoint = Endpoint(path="/p", urls=("u",), fields={"size": field, "missing": field})

    assert problems_with(endpoint, {}, columns=Renamed()) == [
        f"My size is empty: write {wanted}",
        f"there is no column My missing: add it, and write {wanted} in this row",
    ]


def test_a_wrong_cell_is_named_by_its_title() -> None:
    wrong = problems_with(IMAGE, {"prompt": "a fox", "count": "9"}, columns=Renamed())

    assert wrong == ['My count is "9"; it must be from 1 to 4']


def test_a_field_with_variants_exists_only_for_their_values() -> None:
    assert "size" not in fields_of(IMAGE, {"model": "other"})
    assert fields_of(IMAGE, {"model": "small"})["size"].to == "small.size"


@each(
    ("cell", "price"), [("yes", 20), ("TRUE", 20), ("1", 20), ("no", 10), ("FALSE", 10), ("", 10)]
)
def test_a_price_for_a_boolean_counts_in_every_spelling(cell: str, price: int) -> None:
    video = Endpoint(
        path="/video",
        fields={"sound": Field(type="boolean")},
        credits=10,
        prices=(Price({"sound": "yes"}, 20),),
    )

    assert price_of(video, {"sound": cell}) == price


@each(
    ("cell", "price"),
    [("10", 20), ("010", 20), ("+10", 20), ("1_0", 20), ("１０", 20), ("5", 8), ("", 8), ("x", 8)],
)
def test_a_price_for_a_number_counts_in_every_spelling_that_is_sent_as_it(
    cell: str, price: int
) -> None:
    video = Endpoint(
        path="/video",
        fields={"duration": Field(type="integer")},
        credits=8,
        prices=(Price({"duration": "10"}, 20),),
    )

    assert price_of(video, {"duration": cell}) == price


def test_each_element_of_a_list_must_be_an_allowed_value() -> None:
    camera = Endpoint(
        path="/video",
        fields={"concepts": Field(type="list", one_of=("Zoom", "Pan"))},
        urls=("url",),
    )

    assert problems_with(camera, {"concepts": "pan, zoom"}) == []
    assert body_of(camera, {"concepts": "pan\nZOOM"}, None)[0] == {"concepts": ["Pan", "Zoom"]}
    assert problems_with(camera, {"concepts": "zoom, tilt"}) == [
        'concepts is "zoom, tilt"; it can be Zoom, Pan'
    ]


SHOTS = Field(
    type="objects",
    line="{seconds}s: {prompt}",
    items=(1, 2),
    parts={
        "seconds": Field(type="integer", to="duration", least=1, most=15),
        "prompt": Field(longest=20),
    },
)


@each(
    ("cell", "problem"),
    [
        ("5s: a fox runs", ""),
        ("5S:a fox: it runs\n\n 15 s : it stops ", ""),
        (
            "a fox runs",
            'shots is "a fox runs"; it must be one on each line, written as {seconds}s: {prompt}',
        ),
        (
            "5s: a fox\nfoxes: run",
            'line 2 of shots is "foxes: run"; it must be one on each line, written as '
            "{seconds}s: {prompt}",
        ),
        ("20s: a fox", 'seconds in shots is "20"; it must be from 1 to 15'),
        ("5s: ", 'shots is "5s:"; it must be one on each line, written as {seconds}s: {prompt}'),
        ("1.5s: a fox", 'seconds in shots is "1.5"; it must be a whole number'),
        (f"5s: {'x' * 21}", "prompt in shots has 21 characters; the most are 20"),
        ("1s: a\n1s: b\n1s: c", "shots holds 3; it must hold 1 to 2, one on each line"),
    ],
)
def test_a_list_of_objects_is_checked_line_by_line(cell: str, problem: str) -> None:
    video = Endpoint("/video", {"shots": SHOTS})

    assert problems_with(video, {"shots": cell}) == ([problem] if problem else [])


def test_a_list_of_objects_is_sent_with_each_part_under_its_own_name() -> None:
    video = Endpoint("/video", {"shots": SHOTS})

    body, _ = body_of(video, {"shots": "5s: a fox: it runs\n15s: it stops"}, None)

    assert body["shots"] == [
        {"duration": 5, "prompt": "a fox: it runs"},
        {"duration": 15, "prompt": "it stops"},
    ]


def test_a_value_works_until_the_day_on_which_it_ends() -> None:
    model = Field(one_of=("old", "new"), ended={"old": date(2026, 12, 1)})
    image = Endpoint("/image", {"model": model})

    assert problems_with(image, {"model": "OLD"}, today=date(2026, 11, 30)) == []
    assert problems_with(image, {"model": "OLD"}, today=date(2026, 12, 1)) == [
        '"OLD" ended on 2026-12-01: choose another model, such as new'
    ]
    assert problems_with(image, {"model": "?"}, today=date(2026, 11, 30)) == [
        'model is "?"; it can be old, new'
    ]
