"""What the answers of the other vendors mean, by the answers kept in tests/replies/VENDOR.

Each of those files has its source, then the status, the headers and the body.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config.provider_files import read_provider
from pipeline.core.api.protocol import poll_answer, verdict
from pipeline.core.api.provider import Endpoint, Provider
from pipeline.core.model import Response, Result
from pipeline.core.states import Accepted, Failed, Postponed, Progressed, Succeeded
from tests.fakes.cases import each

NOW = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
FILES = ROOT / "configs/providers"
#: Vendor -> the task id in its answers.
TASKS = {
    "bfl": "0f3a2c1e-6b1c-4b4e-9f43-2f0c0f7a9d11",
    "leonardo": "f3e95b9a-37a4-4f3a-9c40-2c1a3c0a2dd1",
    "luma": "123e4567-e89b-42d3-a456-426614174000",
    "piapi": "58cb41b7-556d-46c0-b82e-1e116aa1a31a",
    "replicate": "gm3qorzdhgbfurvjtvhg6dckhu",
    "runway": "17f20503-6c24-4c16-946b-35dbbce2af2f",
}
Told = Progressed | Succeeded | Failed
FOXES = "https://cdn.leonardo.ai/users/u/generations/f3e95b9a-37a4-4f3a-9c40-2c1a3c0a2dd1"


#: What the answer to a submission says that it costs.
COSTS = {"bfl": 3, "runway": 5}


def provider_of(vendor: str) -> Provider:
    return read_provider(vendor, None, FILES, FILES)


def reply(vendor: str, name: str) -> Response:
    text = (ROOT / f"tests/replies/{vendor}/{name}.txt").read_text("utf-8")
    head, _, body = text.partition("\n\n")
    status, *headers = [line for line in head.splitlines() if not line.startswith("#")]
    named = dict(line.lower().split(": ", 1) for line in headers)
    return Response(int(status), named, body.encode())


def asked(vendor: str, endpoint: str) -> tuple[Provider, Endpoint]:
    provider = provider_of(vendor)
    return provider, provider.endpoints[endpoint]


@each(
    ("vendor", "endpoint", "name", "address"),
    [
        ("bfl", "flux-2-pro", "accepted", "https://api.eu.bfl.ai/v1/get_result?id={}"),
        ("leonardo", "phoenix", "accepted", ""),
        ("leonardo", "video", "accepted_video", ""),
        ("luma", "photon", "accepted", ""),
        ("piapi", "flux-schnell", "accepted", ""),
        ("replicate", "flux-schnell", "accepted", ""),
        ("runway", "image", "accepted", ""),
    ],
)
def test_a_submission_is_accepted_under_the_vendors_id(
    vendor: str, endpoint: str, name: str, address: str
) -> None:
    provider, one = asked(vendor, endpoint)

    assert verdict(provider, one, reply(vendor, name), NOW).event == Accepted(
        TASKS[vendor], address.format(TASKS[vendor]), COSTS.get(vendor)
    )


@each(
    ("vendor", "endpoint", "name", "words"),
    [
        ("bfl", "flux-2-pro", "refused", "Input should be a multiple of 32"),
        ("leonardo", "phoenix", "refused", "Validation failed: width must be a multiple of 8"),
        ("luma", "photon", "refused", "Prompt is required"),
        ("piapi", "flux-schnell", "refused", "invalid request"),
        ("replicate", "flux-schnell", "refused", "- input: prompt is required"),
        ("runway", "image", "refused", "Validation of body failed"),
    ],
)
def test_a_refused_submission_quotes_the_vendor_and_costs_nothing(
    vendor: str, endpoint: str, name: str, words: str
) -> None:
    provider, one = asked(vendor, endpoint)

    assert verdict(provider, one, reply(vendor, name), NOW).event == Failed(words, refused=True)


@each("vendor", TASKS)
def test_a_wrong_key_or_an_empty_account_stops_all_and_fails_nothing(vendor: str) -> None:
    provider = provider_of(vendor)
    one = next(iter(provider.endpoints.values()))
    names = ["unauthorized", "no_credit"]

    for name in names:
        if (ROOT / f"tests/replies/{vendor}/{name}.txt").exists():
            said = verdict(provider, one, reply(vendor, name), NOW)
            assert isinstance(said.event, Postponed)
            assert said.stop.startswith(provider.title)


@each("vendor", ["bfl", "luma", "replicate", "runway"])
def test_too_many_requests_are_a_pause(vendor: str) -> None:
    provider = provider_of(vendor)
    one = next(iter(provider.endpoints.values()))
    said = verdict(provider, one, reply(vendor, "throttled"), NOW)

    assert isinstance(said.event, Postponed)
    assert (said.stop, said.pause) == ("", 10.0)


ENDS: list[tuple[str, str, str, Told]] = [
    ("bfl", "flux-2-pro", "running", Progressed(40)),
    ("bfl", "flux-2-pro", "generating", Progressed(None)),
    (
        *("bfl", "flux-2-pro", "finished"),
        Succeeded(Result(("https://delivery-eu1.bfl.ai/results/0f/sample.jpeg?sig=abc",))),
    ),
    ("bfl", "flux-2-pro", "failed", Failed("content_policy_violation")),
    ("bfl", "flux-2-pro", "moderated", Failed("Content Moderated")),
    ("bfl", "flux-2-pro", "not_found", Failed("Task not found")),
    ("leonardo", "phoenix", "running", Progressed(None)),
    ("leonardo", "phoenix", "unknown", Progressed(None)),
    (
        *("leonardo", "phoenix", "finished"),
        Succeeded(
            Result(
                (f"{FOXES}/fox_1.jpg", f"{FOXES}/fox_2.jpg"),
                ids=tuple(f"{n}b7a5e9c-0000-4000-8000-00000000000{n}" for n in (1, 2)),
            )
        ),
    ),
    ("leonardo", "video", "finished_video", Succeeded(Result((f"{FOXES}/fox.mp4",)))),
    ("leonardo", "phoenix", "failed", Failed("Leonardo.Ai gave no reason")),
    ("luma", "photon", "running", Progressed(None)),
    (
        *("luma", "photon", "finished"),
        Succeeded(Result(("https://storage.cdn-luma.com/dream_machine/one.jpg",))),
    ),
    (
        *("luma", "video", "finished_video"),
        Succeeded(Result(("https://storage.cdn-luma.com/dream_machine/one.mp4",))),
    ),
    (
        *("luma", "photon", "failed"),
        Failed("400: prompt not allowed because advanced moderation failed"),
    ),
    ("piapi", "flux-schnell", "running", Progressed(None)),
    ("piapi", "flux-schnell", "staged", Progressed(None)),
    (
        *("piapi", "flux-schnell", "finished"),
        Succeeded(Result(("https://img.theapi.app/ephemeral/one.png",))),
    ),
    (
        *("piapi", "flux-schnell", "finished_many"),
        Succeeded(
            Result(tuple(f"https://img.theapi.app/ephemeral/{n}.png" for n in ("one", "two")))
        ),
    ),
    (
        *("piapi", "kling", "finished_video"),
        Succeeded(Result(("https://storage.theapi.app/videos/one.mp4",))),
    ),
    ("piapi", "flux-schnell", "failed", Failed("task failed: the prompt was rejected")),
    ("replicate", "flux-schnell", "running", Progressed(None)),
    (
        *("replicate", "flux-schnell", "finished"),
        Succeeded(
            Result(tuple(f"https://replicate.delivery/xezq/one/out-{n}.webp" for n in (0, 1)))
        ),
    ),
    (
        *("replicate", "flux-pro", "finished_one"),
        Succeeded(Result(("https://replicate.delivery/xezq/one/out-0.webp",))),
    ),
    (
        *("replicate", "flux-schnell", "failed"),
        Failed("NSFW content detected. Try running it again, or try a different prompt."),
    ),
    ("replicate", "flux-schnell", "aborted", Failed("Replicate gave no reason")),
    ("runway", "image", "pending", Progressed(None)),
    ("runway", "image", "throttled_task", Progressed(None)),
    ("runway", "image", "running", Progressed(42)),
    (
        *("runway", "image", "finished"),
        Succeeded(Result(("https://dnznrvs05pmza.cloudfront.net/one.png?_jwt=abc",)), reported=5),
    ),
    (
        *("runway", "image", "failed"),
        Failed("The input text did not pass the content moderation.", reported=0),
    ),
    ("runway", "image", "cancelled", Failed("Runway gave no reason", reported=0)),
]


@each(("vendor", "endpoint", "name", "event"), ENDS)
def test_a_poll_tells_where_a_task_is(vendor: str, endpoint: str, name: str, event: Told) -> None:
    provider, one = asked(vendor, endpoint)
    said = poll_answer(provider, {TASKS[vendor]: one}, reply(vendor, name), NOW)

    assert said.events == {TASKS[vendor]: replace(event, task_id=TASKS[vendor])}


def test_a_result_that_was_deleted_at_the_vendor_is_not_a_success() -> None:
    provider, one = asked("replicate", "flux-schnell")
    said = poll_answer(provider, {TASKS["replicate"]: one}, reply("replicate", "removed"), NOW)

    assert isinstance(said.events[TASKS["replicate"]], Failed)
