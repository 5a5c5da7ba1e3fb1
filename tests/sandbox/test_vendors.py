"""The vendors' own Python clients work with the stand-ins as with the real APIs."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import ExitStack
from json import dumps, loads
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from pipeline.sandbox import Sandbox
from pipeline.sandbox.__main__ import main as serve
from pipeline.sandbox.pictures import code_of, read_code
from pipeline.sandbox.vendors import VENDORS
from pipeline.sandbox.vendors.server import running
from tests.fakes.inbox import inbox
from tests.fakes.sandbox_process import sandbox_process

KEY = "k-123"
MP4 = b"ftyp"


@pytest.fixture
def api(name: str) -> Iterator[Sandbox]:
    """The stand-in of the vendor that the test names."""
    with running(name, KEY, task_seconds=0.2, plain_pictures=1) as api:
        yield api


@pytest.fixture
def open_until_end() -> Iterator[ExitStack]:
    """What is closed after the test: the vendors' clients keep connections."""
    with ExitStack() as stack:
        yield stack


def standing_in(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", names)


def root_of(api: Sandbox) -> str:
    return f"http://{urlsplit(api.url).netloc}"


def loaded(address: str) -> bytes:
    return httpx.get(address, trust_env=False).raise_for_status().content


# -- Replicate


def replicate_client(api: Sandbox, open_until_end: ExitStack, key: str = KEY) -> Any:
    replicate = pytest.importorskip("replicate")
    client = replicate.Client(api_token=key, base_url=root_of(api))
    client.poll_interval = 0.05
    open_until_end.callback(lambda: client._client.close())
    return client


@standing_in("replicate")
def test_replicate_creates_waits_and_reads_the_picture(
    api: Sandbox, open_until_end: ExitStack
) -> None:
    client = replicate_client(api, open_until_end)
    prediction = client.models.predictions.create(
        "black-forest-labs/flux-schnell", input={"prompt": "a fox", "num_outputs": 2}
    )
    at_first = prediction.status
    prediction.wait()

    assert (at_first, prediction.status, len(prediction.output)) == ("starting", "succeeded", 2)
    assert read_code(loaded(prediction.output[1])) == (code_of("a fox"), 2)
    assert api.state()["tasks"] == {"a fox": 1}


@standing_in("replicate")
def test_replicate_runs_a_model_and_waits_for_it_in_one_request(
    api: Sandbox, open_until_end: ExitStack
) -> None:
    # The client makes a file of an address only if it begins with https.
    address = replicate_client(api, open_until_end).run(
        "black-forest-labs/flux-1.1-pro", {"prompt": "an owl"}
    )

    assert read_code(loaded(address)) == (code_of("an owl"), 1)
    assert api.state()["requests"] == {"submissions": 1, "results": 1}


@standing_in("replicate")
def test_replicate_tells_of_failures_refusals_and_a_wrong_key(
    api: Sandbox, open_until_end: ExitStack
) -> None:
    exceptions = pytest.importorskip("replicate.exceptions")
    client = replicate_client(api, open_until_end)

    with pytest.raises(exceptions.ModelError, match="flagged by the moderation"):
        client.run("black-forest-labs/flux-1.1-pro", {"prompt": "a fox [fail]"})
    with pytest.raises(exceptions.ReplicateError, match="prompt is required"):
        client.run("black-forest-labs/flux-1.1-pro", {})
    with pytest.raises(exceptions.ReplicateError, match="Unauthenticated"):
        replicate_client(api, open_until_end, "wrong").run("a/b", {"prompt": "a fox"})
    assert api.state()["tasks"] == {"a fox [fail]": 1}


@standing_in("replicate")
def test_a_prediction_of_replicate_can_be_cancelled(
    api: Sandbox, open_until_end: ExitStack
) -> None:
    client = replicate_client(api, open_until_end)
    api.set(task_seconds=60)
    prediction = client.predictions.create(
        model="black-forest-labs/flux-schnell", input={"prompt": "a fox"}
    )
    prediction.cancel()

    assert prediction.status == client.predictions.get(prediction.id).status == "canceled"


@standing_in("replicate")
def test_the_client_of_replicate_accepts_the_signature_of_its_webhooks(
    api: Sandbox, open_until_end: ExitStack
) -> None:
    client = replicate_client(api, open_until_end)
    webhook = pytest.importorskip("replicate.webhook")
    with inbox() as receiver:
        client.models.predictions.create(
            "black-forest-labs/flux-schnell",
            input={"prompt": "a fox"},
            webhook=receiver.url,
            webhook_events_filter=["completed"],
        )
        call = receiver.next()
    secret = client.webhooks.default.secret()
    body = call.body.decode()

    assert loads(body)["status"] == "succeeded"
    webhook.Webhooks.validate(headers=call.headers, body=body, secret=secret, tolerance=60)
    with pytest.raises(webhook.InvalidSignatureError):
        webhook.Webhooks.validate(headers=call.headers, body=body + " ", secret=secret)


# -- Runway


def runway_client(api: Sandbox, open_until_end: ExitStack, **options: Any) -> Any:
    runwayml = pytest.importorskip("runwayml")
    options = {"api_key": KEY, "max_retries": 0} | options
    return open_until_end.enter_context(runwayml.RunwayML(base_url=root_of(api), **options))


@standing_in("runway")
def test_runway_makes_a_picture_and_a_video(api: Sandbox, open_until_end: ExitStack) -> None:
    api.set(task_seconds=60)
    client = runway_client(api, open_until_end)
    picture = client.text_to_image.create(model="gen4_image", prompt_text="a fox", ratio="1280:720")
    video = client.image_to_video.create(
        model="gen4_turbo", prompt_image="https://example.com/a.png", ratio="1280:720", duration=5
    )
    at_first = client.tasks.retrieve(picture.id)
    api.finish()
    done, moving = client.tasks.retrieve(picture.id), client.tasks.retrieve(video.id)

    assert (at_first.status, at_first.estimated_cost.credits) == ("PENDING", 5)
    assert (done.status, done.cost.credits) == ("SUCCEEDED", picture.estimated_cost.credits)
    assert read_code(loaded(done.output[0])) == (code_of("a fox"), 1)
    assert loaded(moving.output[0])[4:8] == MP4
    assert (video.estimated_cost.credits, api.state()["credits_charged"]) == (25, 30)


@standing_in("runway")
def test_runway_tells_of_failures_refusals_and_its_account(
    api: Sandbox, open_until_end: ExitStack
) -> None:
    runwayml = pytest.importorskip("runwayml")
    client = runway_client(api, open_until_end)
    failing = client.text_to_image.create(
        model="gen4_image", prompt_text="a fox [fail]", ratio="720:720"
    )
    api.finish()
    failed = client.tasks.retrieve(failing.id)

    assert (failed.status, failed.cost.credits) == ("FAILED", 0)
    assert "moderation" in failed.failure
    assert client.organization.retrieve().credit_balance == 1_000_000 - 5
    with pytest.raises(runwayml.BadRequestError, match="promptText"):
        client.text_to_image.create(model="gen4_image", prompt_text="", ratio="720:720")
    with pytest.raises(runwayml.AuthenticationError):
        runway_client(api, open_until_end, api_key="wrong").tasks.retrieve(failing.id)
    with pytest.raises(runwayml.BadRequestError, match="X-Runway-Version"):
        runway_client(api, open_until_end, runway_version="2020-01-01").tasks.retrieve(failing.id)
    with pytest.raises(runwayml.NotFoundError):
        client.tasks.retrieve("17f20503-6c24-4c16-946b-35dbbce2af2f")


# -- Luma


def luma_client(api: Sandbox, open_until_end: ExitStack, key: str = KEY) -> Any:
    lumaai = pytest.importorskip("lumaai")
    client = lumaai.LumaAI(auth_token=key, base_url=api.url, max_retries=0)
    return open_until_end.enter_context(client)


@standing_in("luma")
def test_luma_makes_a_picture_and_a_video(api: Sandbox, open_until_end: ExitStack) -> None:
    client = luma_client(api, open_until_end)
    picture = client.generations.image.create(model="photon-1", prompt="a fox", aspect_ratio="1:1")
    api.finish()
    video = client.generations.video.create(
        model="ray-2",
        keyframes={"frame0": {"type": "generation", "id": picture.id}},
    )
    api.finish()
    done, moving = client.generations.get(picture.id), client.generations.get(video.id)

    assert (picture.state, done.state, done.generation_type) == ("queued", "completed", "image")
    assert read_code(loaded(done.assets.image)) == (code_of("a fox"), 1)
    assert loaded(moving.assets.video)[4:8] == MP4
    assert done.request.aspect_ratio == "1:1"


@standing_in("luma")
def test_luma_tells_of_failures_refusals_and_its_account(
    api: Sandbox, open_until_end: ExitStack
) -> None:
    lumaai = pytest.importorskip("lumaai")
    client = luma_client(api, open_until_end)
    failing = client.generations.image.create(model="photon-1", prompt="a fox [fail]")
    api.finish()

    assert "moderation" in client.generations.get(failing.id).failure_reason
    assert client.credits.get().credit_balance == 1_000_000 - 2
    assert client.ping.check().message == "pong"
    with pytest.raises(lumaai.BadRequestError, match="prompt is required"):
        client.generations.image.create(model="photon-1")
    with pytest.raises(lumaai.AuthenticationError):
        luma_client(api, open_until_end, "wrong").credits.get()


# -- All of them, as far as they are alike

#: Name -> path, body and place of the id in the answer, for one submission.
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "bfl": ("/flux-2-pro", {"prompt": "a fox", "webhook_url": "", "webhook_secret": "s3"}),
    "leonardo": ("/generations", {"prompt": "a fox", "modelId": "m", "num_images": 1}),
    "luma": ("/generations/image", {"prompt": "a fox", "model": "photon-1", "callback_url": ""}),
    "piapi": (
        "/task",
        {
            "model": "Qubico/flux1-schnell",
            "task_type": "txt2img",
            "input": {"prompt": "a fox"},
            "config": {"webhook_config": {"endpoint": "", "secret": "s3"}},
        },
    ),
    "replicate": (
        "/models/black-forest-labs/flux-schnell/predictions",
        {"input": {"prompt": "a fox"}, "webhook": ""},
    ),
    "runway": (
        "/text_to_image",
        {"model": "gen4_image", "promptText": "a fox", "ratio": "720:720"},
    ),
}
HEADERS = {
    "authorization": f"Bearer {KEY}",
    "x-key": KEY,
    "x-api-key": KEY,
    "x-runway-version": "2024-11-06",
}


def with_hook(body: dict[str, Any], url: str) -> dict[str, Any]:
    """The body with the address in every place that is empty."""
    return {
        k: url if v == "" else with_hook(v, url) if isinstance(v, dict) else v
        for k, v in body.items()
    }


def ask(api: Sandbox, body: dict[str, Any], path: str) -> int:
    """The status code of a submission."""
    return httpx.post(api.url + path, json=body, headers=HEADERS, trust_env=False).status_code


@standing_in(*VENDORS)
def test_a_lost_answer_is_a_task_that_was_taken_and_paid(name: str, api: Sandbox) -> None:
    path, body = ASKED[name]
    api.set(lost=1)

    with pytest.raises(httpx.ReadError):
        ask(api, body, path)
    assert ask(api, body, path) in (200, 201)
    assert api.state()["tasks"] == {"a fox": 2}
    assert api.state()["submissions"] == {"lost": 1, "accepted": 1}


@standing_in(*VENDORS)
def test_a_refused_submission_is_no_task(name: str, api: Sandbox) -> None:
    path, body = ASKED[name]
    api.set(busy=1, error=1)
    refused = loads(dumps(body).replace("a fox", "a fox [refuse]"))

    assert [ask(api, body, path) for _ in range(2)] == [500, 429]
    assert ask(api, refused, path) == 400
    assert api.state()["tasks_taken"] == 0
    with pytest.raises(ValueError, match="no switch is named"):
        api.set(lots=1)


@standing_in("luma", "leonardo", "runway")
def test_a_task_that_follows_another_needs_its_result(name: str, api: Sandbox) -> None:
    api.set(task_seconds=60)
    path, body = ASKED[name]
    posted = httpx.post(api.url + path, json=body, headers=HEADERS, trust_env=False).json()
    first = posted.get("sdGenerationJob", {}).get("generationId") or posted["id"]
    frame = {"type": "generation", "id": first}
    followers: dict[str, tuple[str, dict[str, Any]]] = {
        "luma": ("/generations/video", {"model": "ray-2", "keyframes": {"frame0": frame}}),
        "leonardo": (
            "/generations-image-to-video",
            {"prompt": "it runs", "imageId": f"{first}-1", "imageType": "GENERATED"},
        ),
        "runway": (
            "/image_to_video",
            {
                "model": "gen4_turbo",
                "promptImage": f"{root_of(api)}/results/{first}-1.png",
                "ratio": "1280:720",
                "duration": 5,
            },
        ),
    }
    after, more = followers[name]

    assert ask(api, more, after) == 400
    api.finish()
    assert ask(api, more, after) in (200, 201)
    assert api.state()["tasks_taken"] == 2


@standing_in("bfl", "luma", "piapi")
def test_webhooks_carry_the_vendors_proof(name: str, api: Sandbox) -> None:
    path, body = ASKED[name]
    with inbox() as receiver:
        ask(api, with_hook(body, receiver.url), path)
        calls = [receiver.next()]
        while b"dreaming" in calls[-1].body:
            calls.append(receiver.next())
    signed = hmac.digest(b"s3", calls[-1].body, "sha256").hex()

    assert b'"completed"' in calls[-1].body or b'"Ready"' in calls[-1].body
    assert {n: v for n, v in calls[-1].headers.items() if n.startswith("x-")} == {
        "bfl": {"x-bfl-signature": f"sha256={signed}"},
        "luma": {},
        "piapi": {"x-webhook-secret": "s3"},
    }[name]


def test_the_command_names_the_address_for_the_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with sandbox_process(KEY, provider="luma", task_seconds=0, plain_pictures="true") as api:
        path, body = ASKED["luma"]
        assert urlsplit(api.url).path == "/dream-machine/v1"
        assert ask(api, body, path) == 201
        assert api.state()["tasks"] == {"a fox": 1}

    assert serve(["--provider=luma", "--cost=3"]) == 2
    assert "no switch is named 'cost'" in capsys.readouterr().err
