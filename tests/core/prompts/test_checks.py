"""Prompts that look like a mistake, and prompts that only look unusual."""

from __future__ import annotations

from pipeline.core.prompts.checks import doubts
from tests.core.build import PROVIDER, wrote
from tests.fakes.cases import each

IMAGINE = PROVIDER.endpoints["imagine"]


def said(prompt: str) -> list[str]:
    return doubts(wrote(prompt, aspect_ratio="16:9"), IMAGINE)


@each(
    ("prompt", "right"),
    [
        ("a fox —ar 16:9", "--ar"),
        ("a fox –ar 16:9", "--ar"),
        ("a fox −−ar 16:9", "--ar"),
        ("a fox ––ar 16:9", "--ar"),
        ("a fox -—ar 16:9", "--ar"),
        ("a fox -ar 16:9", "--ar"),
        ("a fox —AR 16:9", "--AR"),
        ("a fox —aspect 16:9", "--aspect"),
        ("a fox —v 6", "--v"),
        ("a fox\n—stylize 250", "--stylize"),
        ("a fox —style raw", "--style"),
        ("a fox —tile", "--tile"),
        ("a fox —no text, people", "--no"),
        ("a fox —seed 4 --ar 1:1", "--seed"),
    ],
)
def test_a_word_processors_dash_is_reported_with_its_correction(prompt: str, right: str) -> None:
    (doubt,) = said(prompt)

    assert doubt.startswith("prompt has ")
    assert f'where "{right}" is probably meant' in doubt


@each(
    ("prompt", "placeholder"),
    [
        ("a photo of {{product}}, soft light", "{{product}}"),
        ("a photo of {{ product.name }}", "{{ product.name }}"),
        ("a photo of {product}", "{product}"),
        ("a photo of ${product}", "${product}"),
        ("a photo of #{product}", "#{product}"),
        ("a photo of %s on a table", "%s"),
        ("a photo of %(product)s", "%(product)s"),
        ("a photo of <%= product %>", "<%= product %>"),
        ("a photo of <insert product>", "<insert product>"),
        ("a photo of [your product here]", "[your product here]"),
        ("a photo of [object Object]", "[object Object]"),
        ("a photo of undefined", "of undefined"),
        ("a fox by None, soft", "by None"),
    ],
)
def test_an_unfilled_placeholder_is_reported(prompt: str, placeholder: str) -> None:
    assert said(prompt) == [f'prompt has "{placeholder}", a placeholder that was not filled in']


@each("prompt", ["nan", "NaN", "None", "null", "undefined", "N/A", "<NA>", "0"])
def test_a_word_for_a_missing_value_is_reported(prompt: str) -> None:
    assert said(prompt) == [f'prompt says "{prompt}", as if the value were missing']


def test_a_prompt_that_is_only_an_address_is_reported() -> None:
    # A line tool that sorts a CSV tears the cells with several addresses apart.
    assert said("https://cdn.example/1.png") == [
        'prompt is only the address "https://cdn.example/1.png"'
    ]
    assert said('https://cdn.example/4.png",')
    assert said("https://cdn.example/1.png a red fox") == []
    assert said("https://cdn.example/1.png https://cdn.example/2.png") == []


@each("prompt", ["/imagine prompt: a fox", "/imagine a fox", "/IMAGINE prompt:x"])
def test_a_chat_command_is_reported(prompt: str) -> None:
    (doubt,) = said(prompt)

    assert "which belongs only in a chat" in doubt


def test_each_kind_of_mistake_is_reported_once() -> None:
    assert len(said("/imagine prompt: {{a}} and {{b}} —ar 1:1 —v 6")) == 3


@each(
    "prompt",
    [
        "a fox --ar 16:9 --no text",
        "a fox – a red one – in the snow",
        "—No quiero, dijo el zorro",
        "a fox—artful, soft",
        "a well-aspected room, 16:9",
        "a sign that says — art —",
        "{red, green} fox",  # asks for variants
        "a 100% silk dress, 5% off",
        "a nan bread, none left, an undefined shape",
        "master of none",
        "a <lora:fox:0.8> fox",
        "a fox [brackets] (round) {}",
        "the imagine poster",
        "take 0",
        "a clock at 16:09, -5 degrees",
        "",
    ],
)
def test_a_prompt_that_only_looks_unusual_is_not_reported(prompt: str) -> None:
    assert said(prompt) == []


def test_only_free_text_is_checked() -> None:
    assert doubts(wrote("a fox", aspect_ratio="0", endpoint="{{x}}"), IMAGINE) == []


def test_the_time_of_the_check_grows_linearly_with_the_prompt() -> None:
    for piece in ("{", "<", "[", "—", "{{a ", "of ", "%(", "{a"):
        assert len(said(piece * 50_000)) <= 3
