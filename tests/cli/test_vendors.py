"""Three rows become results with each vendor, through the program as people start it."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from pipeline.sandbox import Sandbox
from pipeline.sandbox.pictures import code_of, read_code
from pipeline.sandbox.vendors.replicate import signing_secret
from tests.fakes.program import KEY, ROOT, Program, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import SECRET, free_port, is_up
from tests.fakes.team import Team

PROMPTS = ("a fox", "an owl", "a cat")
#: Vendor, endpoint, defaults of the configuration.
PICTURES = [
    ("bfl", "flux-2-pro", "width = 1024\nheight = 1024"),
    ("leonardo", "phoenix", "num_images = 1\ncontrast = 3.5"),
    ("luma", "photon", 'aspect_ratio = "16:9"'),
    ("piapi", "flux-schnell", "batch_size = 1"),
    ("replicate", "flux-schnell", 'aspect_ratio = "16:9"'),
    ("runway", "image", 'ratio = "1280:720"'),
]


#: Vendors whose answers about a failed task do not say why.
GIVE_NO_REASON = ("leonardo",)
#: An address that only a forged call names.
FORGED = "https://forged.example.com/fox.png"
WEBHOOK = """
[webhook]
public_url = "http://127.0.0.1:{port}"
secret = "file:secret"
listen = "127.0.0.1:{port}"
[schedule]
every = "1s"
"""


each_vendor = pytest.mark.parametrize(
    ("vendor", "endpoint", "defaults"), PICTURES, ids=[vendor for vendor, _, _ in PICTURES]
)


def team_with(
    api: Sandbox, folder: Path, vendor: str, endpoint: str, defaults: str = "", more: str = ""
) -> Team:
    """A team whose configuration names the vendor, and pictures are saved."""
    team = Team(folder, api.url)
    team.configure(f"[defaults]\n{defaults}\n[media]\nsave_to = 'media/'\n{more}")
    text = team.config.read_text()
    named = f'[provider]\nname = "{vendor}"\nendpoint = "{endpoint}"\n'
    team.config.write_text(text.replace("[provider]\n", named))
    price_missing(folder, vendor)
    return team


def price_missing(folder: Path, vendor: str) -> None:
    """Without known prices of the vendor: a provider file next to the configuration."""
    text = (ROOT / f"configs/providers/{vendor}.toml").read_text("utf-8")
    if re.search(r"^credits = \d", text, re.MULTILINE):
        return
    priced = re.sub(r'^(path = "/generations.*")$', r"\1\ncredits = 2", text, flags=re.MULTILINE)
    assert priced != text
    (folder / "providers").mkdir()
    (folder / "providers" / f"{vendor}.toml").write_text(priced, "utf-8")


@each_vendor
def test_three_rows_become_pictures_and_each_is_paid_once(
    vendor: str, endpoint: str, defaults: str, tmp_path: Path
) -> None:
    with sandbox_process(KEY, provider=vendor, task_seconds=0.2, plain_pictures="true") as api:
        team = team_with(api, tmp_path, vendor, endpoint, defaults)
        team.write("prompt", *PROMPTS)
        ended = [team.run(), team.finish(), team.start("receipt", team.config)]

        assert [one.code for one in ended] == [0, 0, 0], ended
        assert "prompts.csv: 3 charges, 3 rows, 0 unmatched, 0 refunds due" in ended[-1].out
        assert team.said_of(*PROMPTS) == ["done"] * 3
        assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
    codes = {read_code(file.read_bytes())[0] for file in (tmp_path / "media").glob("*.png")}
    assert codes == set(map(code_of, PROMPTS))


def test_a_cost_in_the_answer_to_a_submission_replaces_the_listed_price(tmp_path: Path) -> None:
    with sandbox_process(KEY, provider="bfl", task_seconds=1, plain_pictures="true") as api:
        team = team_with(
            api,
            tmp_path,
            "bfl",
            "flux-2-pro",
            "width = 1536\nheight = 1024",
            # Listed are 7.5: without the true cost of the first, the second row would not fit.
            "[budget]\nper_day = 12\n",
        )
        team.write("prompt,credits", "a fox,")
        team.run()
        assert team.row("a fox")["credits"] == "4.5"

        team.write("prompt,credits", "a fox,", "an owl,")
        team.finish()

        assert team.said_of("a fox", "an owl") == ["done", "done"]
        assert [row["credits"] for row in team.rows()] == ["4.5", "4.5"]
        assert api.state()["credits_left"] == 1_000_000 - 9


@each_vendor
def test_a_row_with_a_lost_answer_is_never_sent_again(
    vendor: str, endpoint: str, defaults: str, tmp_path: Path
) -> None:
    with sandbox_process(KEY, provider=vendor, task_seconds=0, plain_pictures="true") as api:
        team = team_with(api, tmp_path, vendor, endpoint, defaults)
        team.write("prompt", *PROMPTS)
        api.set(lost=1)
        first = team.finish()
        again = team.finish()

        assert (first.code, again.code) == (1, 0), (first, again)
        assert team.statuses() == {"done": 2, "check needed": 1}
        assert api.state()["submissions"] == {"lost": 1, "accepted": 2}
        assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)


@each_vendor
def test_refusals_and_failures_quote_the_vendor_and_have_their_actual_cost(
    vendor: str, endpoint: str, defaults: str, tmp_path: Path
) -> None:
    with sandbox_process(KEY, provider=vendor, task_seconds=0, plain_pictures="true") as api:
        team = team_with(api, tmp_path, vendor, endpoint, defaults)
        team.write("prompt", "a fox", "an owl [refuse]", "a cat [fail]")
        ended = team.finish()

        assert ended.code == 1, ended
        assert team.said_of("a fox", "an owl [refuse]", "a cat [fail]") == [
            *("done", "failed", "failed")
        ]
        notes = [team.row(prompt)["note"] for prompt in ("an owl [refuse]", "a cat [fail]")]
        assert "refused by the moderation" in notes[0]
        assert ("moderation" in notes[1]) == (vendor not in GIVE_NO_REASON)
        assert api.state()["tasks"] == {"a fox": 1, "a cat [fail]": 1}


@pytest.mark.parametrize(
    ("vendor", "endpoint"),
    [("bfl", "flux-2-pro"), ("piapi", "flux-schnell"), ("replicate", "flux-schnell")],
)
def test_a_call_with_the_vendors_proof_brings_the_result_without_a_poll(
    vendor: str, endpoint: str, tmp_path: Path
) -> None:
    port = free_port()
    with sandbox_process(KEY, provider=vendor, task_seconds=0.5, plain_pictures="true") as api:
        for file, text in {"secret": SECRET, "signing": signing_secret(KEY)}.items():
            (tmp_path / file).write_text(text)
            (tmp_path / file).chmod(0o600)
        team = team_with(api, tmp_path, vendor, endpoint, more=WEBHOOK.format(port=port))
        slow = team.config.read_text().replace('poll_every = "20ms"', 'poll_every = "10m"')
        if vendor == "replicate":
            signing = '[provider]\nwebhook_secret = "file:signing"\n'
            slow = slow.replace("[provider]\n", signing)
        team.config.write_text(slow)
        team.write("prompt", *PROMPTS)
        with Program("watch", team.config, folder=tmp_path) as program:
            program.until(lambda: team.statuses() == {"done": 3}, "all rows are done")
            requests = api.state()["requests"]
            program.signal(signal.SIGTERM)
            ended = program.end()

        assert ended.is_plain, ended
        assert (requests["submissions"], "polls" in requests) == (3, False)
        assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)


@pytest.mark.parametrize(
    ("vendor", "endpoint", "defaults"),
    [
        ("leonardo", "video", ""),
        ("luma", "video", 'duration = "5s"\nresolution = "720p"'),
        ("piapi", "kling", "duration = 5"),
        ("runway", "video", 'ratio = "1280:720"\nduration = 5'),
    ],
)
def test_rows_become_videos(vendor: str, endpoint: str, defaults: str, tmp_path: Path) -> None:
    with sandbox_process(KEY, provider=vendor, task_seconds=0) as api:
        team = team_with(api, tmp_path, vendor, endpoint, defaults)
        team.write("prompt", *PROMPTS)
        ended = team.finish()

        assert (ended.code, team.said_of(*PROMPTS)) == (0, ["done"] * 3), ended
        assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
    # The stand-in sends each row the same clip, and a content is saved once.
    (clip,) = (file.read_bytes() for file in (tmp_path / "media").glob("*.mp4"))
    assert clip[4:8] == b"ftyp"
    assert len((tmp_path / "media" / "manifest.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("command", ["watch", "serve"])
def test_a_call_without_proof_only_leads_to_a_poll(command: str, tmp_path: Path) -> None:
    """With `serve`, another process works on the sheet."""
    port = free_port()
    with (
        sandbox_process(KEY, provider="luma", task_seconds=600, plain_pictures="true") as api,
        ExitStack() as stack,
    ):
        team = team_with(api, tmp_path, "luma", "photon", more=WEBHOOK.format(port=port))
        ask_seldom(team)
        program = stack.enter_context(Program(command, team.config, folder=tmp_path))
        if command == "serve":
            program.until(lambda: is_up(port), "the receiver is up")
            text = team.config.read_text()
            team.config.write_text(text.replace("listen =", "# listen ="))
            waits = "run", team.config, "--wait"
            program = stack.enter_context(Program(*waits, folder=tmp_path))
        program.until(lambda: hooks_of(team), "the row was sent")
        ((token, task_id),) = hooks_of(team)
        forged = {"id": task_id, "state": "completed", "assets": {"image": FORGED}}
        answer = httpx.post(f"http://127.0.0.1:{port}/hooks/{token}", json=forged, trust_env=False)
        program.until(lambda: api.state()["requests"].get("polls"), "the task was polled")
        before = team.said_of("a fox")
        api.finish()
        httpx.post(f"http://127.0.0.1:{port}/hooks/{token}", json=forged, trust_env=False)
        until(lambda: team.said_of("a fox") == ["done"], "the row is done")

        assert answer.status_code == 200
        assert before != ["done"]
        assert FORGED not in team.sheet.read_text("utf-8")
        assert team.row("a fox")["image_urls"].startswith("http://127.0.0.1")
        assert api.state()["tasks"] == {"a fox": 1}
        assert api.state()["requests"]["polls"] <= 4


def ask_seldom(team: Team) -> None:
    """Have the team's row sent, and its task polled only every 10 minutes."""
    (team.folder / "secret").write_text(SECRET)
    (team.folder / "secret").chmod(0o600)
    text = team.config.read_text()
    team.config.write_text(text.replace('poll_every = "20ms"', 'poll_every = "10m"'))
    team.write("prompt", "a fox")


def hooks_of(team: Team) -> list[tuple[str, str]]:
    """Hook token and task id of each attempt that was accepted."""
    store = team.folder / "promptsheet.db"
    if not store.exists():
        return []
    with closing(sqlite3.connect(store)) as connection:
        asked = "select hook, task_id from attempts where task_id <> ''"
        try:
            return list(connection.execute(asked))
        except sqlite3.OperationalError:
            return []  # The tables are not there yet.


#: Vendor, endpoint, rows: the last follows the one before it.
CHAINS = [
    ("bfl", "flux-2-pro", "endpoint,parent", ",", "flux-2-edit,f"),
    (
        *("leonardo", "phoenix", "endpoint,parent,num_images,contrast,index"),
        *(",,2,3.5,", "image_to_video,f,,,2"),
    ),
    (
        *("luma", "video", "endpoint,parent,duration,resolution"),
        *(",,5s,540p", "extend,f,5s,540p"),
    ),
    (
        *("piapi", "flux-schnell", "endpoint,parent,batch_size,duration,index"),
        *(",,2,,", "kling,f,,5,2"),
    ),
    (
        *("replicate", "flux-schnell", "endpoint,parent,num_outputs,index"),
        *(",,2,", "flux-dev,f,,2"),
    ),
    (
        *("runway", "image", "endpoint,parent,ratio,duration"),
        *(",,1280:720,", "image_to_video,f,1280:720,5"),
    ),
]


@pytest.mark.parametrize(
    ("vendor", "endpoint", "columns", "first", "second"), CHAINS, ids=[one[0] for one in CHAINS]
)
def test_a_row_is_made_from_the_result_of_another(
    vendor: str, endpoint: str, columns: str, first: str, second: str, tmp_path: Path
) -> None:
    with sandbox_process(KEY, provider=vendor, task_seconds=0.2, plain_pictures="true") as api:
        team = team_with(api, tmp_path, vendor, endpoint)
        team.write(f"prompt,name,{columns}", f"a fox,f,{first}", f"it runs,,{second}")
        ended = team.finish()

        assert (ended.code, team.said_of("a fox", "it runs")) == (0, ["done", "done"]), ended
        assert api.state()["tasks"] == {"a fox": 1, "it runs": 1}
