"""Signed pushes from the real program: every row arrives once, even after kills."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.outlets.receiver import SECRET, Receiver
from tests.fakes.program import Program, until
from tests.fakes.team import Team
from tests.fakes.web_service import Call, Reply, Service, serving

ROWS, KILLS = 25, 2


def with_push(team: Team, service: Service) -> Path:
    """A sheet of ROWS rows whose results are pushed to this server."""
    (team.folder / "url").write_text(f"{service.url}/hook")
    (team.folder / "secret").write_text(SECRET)
    team.write("prompt,campaign", *(f"fox {n},Autumn {n}" for n in range(ROWS)))
    return team.configure(
        '[media]\nsave_to = ""\n[[outlets]]\nkind = "push"\nurl = "file:url"\n'
        'secret = "file:secret"\nallow_private = true\nfields = { name = "Campaign" }\n'
    )


def about(receiver: Receiver) -> Counter[str]:
    """Row ids -> how many different messages about them were accepted."""
    return Counter(body["data"]["row_id"] for body in receiver.accepted.values())


def test_every_row_is_pushed_once_with_its_results(team: Team) -> None:
    receiver = Receiver()
    with serving(receiver) as service:
        with_push(team, service)
        assert team.finish().code == 0
        first = len(service.calls)
        assert team.finish().code == 0

    assert (first, len(service.calls)) == (ROWS, ROWS)
    data = {body["data"]["row_id"]: body["data"] for body in receiver.accepted.values()}
    for row in team.rows():
        told = data[row["row_id"]]
        assert (told["prompt"], told["status"]) == (row["prompt"], "done")
        assert "\n".join(told["image_urls"]) == row["image_urls"]
        assert told["columns"]["name"] == row["campaign"]
        assert not told["is_repeat"]


def test_a_run_that_is_killed_while_it_pushes_leaves_no_row_untold(team: Team) -> None:
    receiver, running, killed = Receiver(), list[Program](), list[int]()

    def accept(call: Call) -> Reply:
        if killed and not running and len(killed) < KILLS:
            return Reply(503)  # sent by the program before it was killed
        reply = receiver(call)
        if running and len(killed) < KILLS and len(receiver.accepted) >= 3 * (len(killed) + 1):
            # After the message was accepted, and before the answer.
            running.pop().kill()
            killed.append(len(receiver.accepted))
        return reply

    with serving(accept) as service:
        config = with_push(team, service)
        for _ in range(KILLS):
            with Program("run", config, "--wait", folder=team.folder) as program:
                running.append(program)
                assert program.end().code == -9
        until(lambda: team.finish().code == 0 and len(receiver.accepted) >= ROWS, "all are told")

    assert about(receiver) == Counter({row["row_id"]: 1 for row in team.rows()})
    assert team.statuses() == {"done": ROWS}
    assert receiver.repeats > 0
    repeats = [one for one in receiver.accepted.values() if one["data"]["is_repeat"]]
    assert repeats


def test_a_receiver_that_is_away_does_not_change_what_a_run_does(team: Team) -> None:
    with serving(lambda call: Reply(503)) as service:
        with_push(team, service)
        ended = team.finish()

    assert team.statuses() == {"done": ROWS}
    assert ended.code == 0
    assert service.url not in ended.out + ended.err
    assert SECRET not in (team.folder / "promptsheet.db").read_bytes().decode("latin-1")


@pytest.mark.parametrize("secret", ["whsec_short", ""])
def test_a_bad_secret_costs_nothing(team: Team, secret: str) -> None:
    with serving(Receiver()) as service:
        with_push(team, service)
        (team.folder / "secret").write_text(secret)
        ended = team.finish()

    assert ended.code == 2
    assert "secret" in ended.err
    assert "task_id" not in team.sheet.read_text()
