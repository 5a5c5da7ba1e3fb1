"""The column `image`: which field it fills, and which row, file or address a cell names."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.provider_files import read_provider
from pipeline.core.api.fields import columns_of, fields_of
from pipeline.core.api.links import drive_file, private_host
from pipeline.core.api.provider import Provider
from pipeline.core.inputs import canonical
from pipeline.core.model import Grid
from pipeline.core.planning.lines import Line
from pipeline.core.planning.plan import plan
from pipeline.core.prompts.reference_images import (
    NamedPicture,
    by_field,
    field_for,
    named_row,
    picture_in,
)
from pipeline.core.rows.chains import LINK, Link, changes, relatives, with_link
from pipeline.core.rows.matching import match
from pipeline.core.sheet.header import Header
from pipeline.core.sheet.near_misses import unsent_image
from tests.core.build import NOW, PROVIDER, RULES, attempt, memory, minting, sheet
from tests.fakes.cases import each

SHIPPED = Path(__file__).parents[3] / "configs" / "providers"
PROVIDERS = [
    read_provider(path.stem, None, Path(), SHIPPED)
    for path in sorted(SHIPPED.glob("*.toml"))
    if path.stem != "apiframe"
]


@each(
    ("cell", "picture"),
    [
        ("fox", NamedPicture("fox")),
        ("fox#2", NamedPicture("fox", "2")),
        ("r_abcdefghi#4", NamedPicture("r_abcdefghi", "4")),
        ("fox #2#3", NamedPicture("fox #2", "3")),
        ("fox@1:9x16#2", NamedPicture("fox@1:9x16", "2")),
        ("a fox, red", NamedPicture("a fox, red")),
        ("version 1.2", NamedPicture("version 1.2")),
        ("fox#0", NamedPicture("fox#0")),
        *((text, None) for text in ("", "fox.png", "FOX.JPEG", "photo.heic", "flyer.pdf")),
        *((text, None) for text in ("spring/fox", "https://example.com/fox", "a.png, b.png")),
        ("fox.png\nhttps://example.com/1.png", None),
    ],
)
def test_a_cell_names_a_row_unless_it_has_the_form_of_a_file_or_an_address(
    cell: str, picture: NamedPicture | None
) -> None:
    assert picture_in(cell) == picture
    assert named_row({"image": cell}) == (picture.row if picture else "")


def endpoints(provider: Provider) -> list[str]:
    """The endpoints with a field that takes the picture of another row, or a file that is none
    of a mask.
    """
    kinds = ("address", "addresses", "file")
    return [
        name
        for name, one in provider.endpoints.items()
        if any(
            "image" in title and field.type in kinds and "mask" not in title
            for title, field in one.fields.items()
        )
    ]


@each("provider", PROVIDERS)
def test_every_endpoint_that_takes_a_picture_takes_it_in_the_column_image(
    provider: Provider,
) -> None:
    for name in endpoints(provider):
        endpoint = provider.endpoints[name]
        words = endpoint.fields[endpoint.select].one_of if endpoint.select else ("",)
        assert "image" in columns_of(endpoint), name
        for word in words:
            given = {endpoint.select: word} if word else {}
            takes = [n for n, one in fields_of(endpoint, given).items() if one.parent == "url"]
            if takes and not any("video" in one for one in takes):
                # Exactly the one that the picture of another row fills.
                assert field_for(endpoint, {**given, "image": "fox"}) in takes, (name, word)


KLING = PROVIDER.endpoints["kling-imagine-2-6"]


def test_a_cell_goes_to_the_field_of_the_endpoint_and_a_row_to_parent_and_index() -> None:
    def own(**wrote: str) -> dict[str, str]:
        return by_field(KLING, wrote, {}).wrote

    assert own(image="fox.png", prompt="x") == {"start_image": "fox.png", "prompt": "x"}
    assert own(image="fox#2", prompt="x") == {"parent": "fox", "index": "2", "prompt": "x"}
    assert own(image="fox", index="3") == {"parent": "fox", "index": "3"}
    assert own(image="fox", parent="owl") == {"start_image": "fox", "parent": "owl"}
    assert own(image="a.png", start_image="b.png") == {"image": "a.png", "start_image": "b.png"}


def test_a_default_fills_the_field_and_a_cell_replaces_it() -> None:
    assert by_field(KLING, {}, {"image": "brand.png"}).defaults == {"start_image": "brand.png"}
    for wrote in ({"image": "fox.png"}, {"image": "fox"}):
        assert by_field(KLING, wrote, {"image": "brand.png"}).defaults == {}
    # A default names no row: nobody would see which row waits for it.
    assert by_field(KLING, {}, {"image": "fox"}).defaults == {"start_image": "fox"}


HEADER = Header(
    columns_of(PROVIDER.endpoints["imagine"]),
    endpoints={name: columns_of(one) for name, one in PROVIDER.endpoints.items()},
)


def lines(text: str) -> list[Line]:
    grid: Grid = sheet(text)
    columns = HEADER.read(grid)
    seen = match(list(columns.rows(grid)), memory(), minting())
    return list(plan(seen, grid, columns, {}, RULES, NOW).lines)


FIRST = "name | prompt | endpoint | image | parent\nfox | a fox | imagine | |\n"


@each(
    ("row", "status", "note"),
    [
        (" | run | luma-imagine | fox#2 |", "waiting", "it is queued"),
        (
            " | run | kling-imagine-2-6 | wolf |",
            "invalid",
            'there is no row named "wolf": write in',
        ),
        (" | run | kling-imagine-2-6 | fox.png |", "invalid", 'image is "fox.png"; write an addr'),
        (
            " | run | kling-imagine-2-6 | http://192.168.1.7/fox.png |",
            "invalid",
            "192.168.1.7 is in a private network",
        ),
        (" | run | kling-imagine-2-6 | http://localhost/a.png |", "invalid", "private network"),
        (
            " | run | kling-imagine-2-6 | https://drive.google.com/file/d/1AbCdEfGhIjK/view |",
            "invalid",
            "image is a link to Google Drive; there are no credentials for Google",
        ),
        (" | run | kling-imagine-2-6 | fox | fox", "invalid", "image and parent both name a row"),
        (" | | faceswap | |", None, ""),
        (" | | describe | fox |", "waiting", "it is queued"),
        ("wolf | run | kling-imagine-2-6 | wolf |", "invalid", "names itself in image"),
    ],
)
def test_the_plan_says_in_one_sentence_what_is_wrong_with_an_image(
    row: str, status: str | None, note: str
) -> None:
    found = [line for line in lines(FIRST + row) if line.seen.place == 2]

    assert [line.status for line in found] == ([status] if status else [])
    assert all(note in line.note for line in found), found


def test_a_row_whose_endpoint_takes_no_picture_says_so() -> None:
    rows = "name | prompt | endpoint | image\n | a | luma-imagine |\n | b | imagine | fox\n"

    assert "imagine has no input image: clear that cell" in lines(rows)[1].note


def test_a_plan_names_a_filled_column_image_that_no_row_sends() -> None:
    grid = sheet("prompt | Image\n a fox | fox.png\n")

    assert "no row is for an endpoint that takes a picture" in unsent_image(
        HEADER.read(grid), grid, ()
    )
    assert unsent_image(HEADER.read(grid), grid, ["image"]) == ""
    assert unsent_image(HEADER.read(grid[:1]), grid[:1], ()) == ""
    sent = sheet("prompt | Image | endpoint\n a fox | fox.png | luma-imagine\n")
    assert unsent_image(HEADER.read(sent), sent, ()) == ""


def test_a_missing_picture_is_asked_for_in_the_column_that_the_sheet_has() -> None:
    (line,) = lines("prompt | endpoint | image\n a fox runs | imagine-video |\n")

    assert "image is empty: write one, or name another row in parent" in line.note


def test_another_name_of_the_same_row_is_no_change_and_another_picture_is_one() -> None:
    link = Link("r_aaaaaaaaa", 1)

    def changed(now: str, followed: Link) -> set[str]:
        sent = attempt(
            inputs=with_link(canonical({"prompt": "run", "image": "fox#2"}), link),
            columns=("image", "prompt"),
        )
        return set(changes(sent, canonical({"prompt": "run", "image": now}), followed))

    assert changed("fox#2", link) == set()
    assert changed("Wolf#2", link) == set()  # the row has another name now
    assert changed("fox#3", link) == {"image"}
    assert changed("fox.png", link) == {"image"}
    assert changed("fox#2", Link("r_aaaaaaaaa", 2)) == {LINK}


def test_rows_that_are_connected_by_an_image_are_looked_at_together() -> None:
    grid = sheet(
        "name | prompt | endpoint | image\nfox | a fox | imagine |\n"
        " | run | kling-imagine-2-6 | FOX#2\n | run | kling-imagine-2-6 | fox.png\n"
    )

    assert relatives(grid, HEADER.read(grid), [1]) == {2}
    assert relatives(grid, HEADER.read(grid), [3]) == set()


@each(
    ("address", "number"),
    [
        ("https://drive.google.com/file/d/1AbC_dEfGh-IjK/view?usp=sharing", "1AbC_dEfGh-IjK"),
        ("https://drive.google.com/file/u/0/d/1AbCdEfGhIjK/edit", "1AbCdEfGhIjK"),
        ("https://drive.google.com/open?id=1AbCdEfGhIjK&usp=drive_copy", "1AbCdEfGhIjK"),
        ("https://drive.google.com/uc?export=download&id=1AbCdEfGhIjK", "1AbCdEfGhIjK"),
        ("https://drive.usercontent.google.com/download?id=1AbCdEfGhIjK", "1AbCdEfGhIjK"),
        ("https://drive.google.com/drive/folders/1AbCdEfGhIjK", ""),
        ("https://drive.google.com.example.com/file/d/1AbCdEfGhIjK/view", ""),
        ("https://example.com/?u=drive.google.com/file/d/1AbCdEfGhIjK", ""),
        ("https://drive.google.com/uc?id=../../secret", ""),
        ("http://[drive.google.com/x", ""),
    ],
)
def test_a_link_to_a_file_in_google_drive_is_recognized(address: str, number: str) -> None:
    assert drive_file(address) == number


@each(
    ("address", "is_private"),
    [
        ("https://example.com/1.png", False),
        ("https://93.184.216.34/1.png", False),
        ("https://10.1.2.3/1.png", True),
        ("http://127.0.0.1:8900/1.png", True),
        ("http://169.254.169.254/latest", True),
        ("http://[::1]/1.png", True),
        ("http://LOCALHOST/1.png", True),
        ("http://nas.local/1.png", True),
        ("http://user@192.168.0.1/1.png", True),
    ],
)
def test_a_private_address_is_recognized_without_looking_a_name_up(
    address: str, is_private: bool
) -> None:
    assert bool(private_host(address)) is is_private
    assert private_host(address, [address]) == ""
