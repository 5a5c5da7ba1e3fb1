"""The provider files of other vendors agree with the types of the vendors' own Python clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from pipeline.config.provider_files import read_provider
from tests.fakes.cases import each

FILES = Path(__file__).parents[2] / "configs/providers"
RUNWAY, LUMA = "runwayml.types.{}_create_params", "lumaai.types.generations.{}_create_params"
#: Vendor, endpoint, module and class of what the client sends for it.
CASES = [
    ("runway", "image", RUNWAY.format("text_to_image"), "Gen4Image"),
    ("runway", "image_to_video", RUNWAY.format("image_to_video"), "Gen4Turbo"),
    ("runway", "video", RUNWAY.format("text_to_video"), "Gen4_5"),
    ("luma", "photon", LUMA.format("image"), "ImageCreateParams"),
    ("luma", "photon-edit", LUMA.format("image"), "ImageCreateParams"),
    ("luma", "video", LUMA.format("video"), "VideoCreateParams"),
    ("luma", "image_to_video", LUMA.format("video"), "VideoCreateParams"),
    ("luma", "extend", LUMA.format("video"), "VideoCreateParams"),
]


@dataclass(frozen=True)
class Sent:
    """One field that a client sends."""

    required: bool
    #: Its allowed values; empty: any.
    words: frozenset[str]


def sent_by(module: str, name: str) -> Mapping[str, Sent]:
    """What a client sends: name in the body -> field."""
    pytest.importorskip(module.partition(".")[0])
    params = getattr(import_module(module), name)
    hints = get_type_hints(params, include_extras=True)
    return dict(_sent(key, hint, key in params.__required_keys__) for key, hint in hints.items())


def _sent(key: str, hint: Any, required: bool) -> tuple[str, Sent]:
    name, words = key, set[str]()
    inner = [hint]
    while inner:
        one = inner.pop()
        if get_origin(one) is Annotated:
            name = next((m.alias for m in one.__metadata__ if getattr(m, "alias", None)), name)
        if get_origin(one) is Literal:
            words |= set(map(str, get_args(one)))
        elif get_origin(one) is not Union or str not in get_args(one):
            inner += [arg for arg in get_args(one) if not isinstance(arg, str)]
        else:  # A list of words or any text: the words are the documented ones.
            inner += [arg for arg in get_args(one) if get_origin(arg) is Literal]
    return name, Sent(required, frozenset(words))


@each(("vendor", "endpoint", "module", "name"), CASES)
def test_a_file_sends_what_the_vendors_client_sends(
    vendor: str, endpoint: str, module: str, name: str
) -> None:
    one = read_provider(vendor, None, FILES, FILES).endpoints[endpoint]
    known = sent_by(module, name)
    filled = {path.split(".")[0]: "" for path in one.send} | {
        (field.to or column).split(".")[0]: column
        for column, field in one.fields.items()
        if field.send
    }

    assert filled.keys() <= known.keys()
    for path, value in one.send.items():
        if "." not in path:
            assert str(value) in known[path].words
    for place, column in filled.items():
        if column and one.fields[column].one_of:
            assert set(one.fields[column].one_of) == known[place].words, column
    needed = {place for place, field in known.items() if field.required}
    assert needed <= filled.keys() & {
        place for place, column in filled.items() if not column or one.fields[column].required
    }
