"""`make image`: a real buildah builds the image, and it runs as `compose.yaml` runs it.

Where `python:3.13-slim` cannot be had, Debian's own Python 3.13 takes its place.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.sandbox import Sandbox
from tests.fakes.postgresql import PostgresqlServer
from tests.fakes.program import KEY, KEY_NAME, ROOT, until
from tests.fakes.service import free_port, is_up, service
from tests.fakes.team import Team

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]

DOCKER = ROOT / "configs/deploy/docker"
BASE = "docker.io/library/python:3.13-slim"
IMAGE = "localhost/promptsheet-tested"
#: Layers need no kernel module that way, and a RUN needs no container engine.
ENVIRONMENT = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PROMPTS = [f"a kite, number {number}" for number in range(6)]
USER = 10001


def buildah(*words: str | Path) -> str:
    """What it prints. Raises AssertionError if it fails."""
    ended = subprocess.run(
        ["buildah", *map(str, words)],
        env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    return ended.stdout.strip()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a container made from the built image."""
    if not buildah("images", "--quiet", "--filter", f"reference={BASE}"):
        _make_base(tmp_path_factory.mktemp("base"))
    trusted = f"{AUTHORITIES}:{AUTHORITIES}:ro"  # pip may reach its index through a proxy
    buildah(
        *("bud", "--pull-never", "--volume", trusted, "--env", f"PIP_CERT={AUTHORITIES}"),
        *("--file", DOCKER / "Dockerfile", "--tag", IMAGE, "."),
    )
    made = buildah("from", "--pull-never", IMAGE)
    yield made
    buildah("rm", made)
    buildah("rmi", IMAGE)


def _make_base(folder: Path) -> None:
    """Give Debian's Python the name of the base image."""
    packages = "python3,python3-venv,python-is-python3,ca-certificates"
    words = ("--variant=minbase", f"--include={packages}", "trixie", folder / "root")
    subprocess.run(["debootstrap", *words], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["tar", "-C", folder / "root", "-cf", folder / "root.tar", "."], check=True)
    made = buildah("from", "scratch")
    buildah("add", made, folder / "root.tar", "/")
    buildah("config", "--env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", made)
    buildah("commit", "--rm", made, BASE)


def test_the_image_runs_the_demo_as_its_own_user(image: str) -> None:
    said = buildah("run", image, "--", "promptsheet", "demo", "--folder", "/tmp/demo")

    assert "9 tasks in this run" in said
    assert buildah("run", image, "--", "id", "-u") == str(USER)
    assert buildah("run", image, "--", "stat", "--format=%u", "/campaign") == str(USER)


def test_two_watch_and_one_serve_fill_a_sheet_though_they_may_write_only_volumes(
    image: str, tmp_path: Path, api: Sandbox, postgresql_server: PostgresqlServer
) -> None:
    page, other, served = free_port(), free_port(), free_port()
    store = postgresql_server.make_database("image")
    team = Team(tmp_path, api.url)
    team.write_prompts(PROMPTS)
    for name, port in {"first": page, "second": other, "serve": served}.items():
        path = service(team, name, page=port)
        text = path.read_text().replace('"sqlite:///promptsheet.db"', '"env:PROMPTSHEET_STORE"')
        path.write_text(text.replace('save_to = ""', 'save_to = "media"'))
    (tmp_path / "media").mkdir()
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, USER, USER)
    environment = {KEY_NAME: KEY, "PROMPTSHEET_STORE": store}

    with (
        container(image, tmp_path, "watch", "first.toml", **environment) as first,
        container(image, tmp_path, "watch", "second.toml", **environment) as second,
        container(image, tmp_path, "serve", "serve.toml", **environment) as serve,
    ):
        until(lambda: all(map(is_up, (page, other, served))), "all three serve")
        until(lambda: team.statuses() == {"done": 6}, "every row is done")
        codes = [ended(one) for one in (first, second, serve)]

    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
    assert len(list((tmp_path / "media").rglob("*.png"))) >= 6
    assert set(codes) <= {0, 130}  # 130: a pass was about to end
    team.assert_whole(PROMPTS)


@contextmanager
def container(
    image: str, folder: Path, *words: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A start of the image as `compose.yaml` describes one: as the user of the image, with a
    read-only root, `/tmp` in memory, and `folder` as its working folder.

    It is process 1 of its own, because `docker stop` signals that one, which has no handler of
    signals but those that it installs.
    """
    its = YAML(typ="safe").load(DOCKER / "compose.yaml")["x-promptsheet"]
    assert (its["read_only"], its["tmpfs"]) == (True, ["/tmp"])
    assert "campaign:/campaign" in its["volumes"]
    root = buildah("mount", image)
    inside = buildah("inspect", "--type", "container", "--format", "{{.OCIv1.Config.Env}}", image)
    given = [*inside.strip("[]").split(), *(f"{name}={text}" for name, text in environment.items())]
    script = f"""
        mount --bind {root} {root} && mount -o remount,ro,bind {root} &&
        mount -t tmpfs tmp {root}/tmp && mount -t proc proc {root}/proc &&
        mount --bind {folder} {root}/campaign &&
        exec chroot --userspec={USER}:{USER} {root} env -i -C /campaign "$@"
    """
    process = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", script, "sh",
         *given, "promptsheet", *words],
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[bytes]) -> int:
    """The exit code after `docker stop`, which waits for `stop_grace_period`."""
    [inner] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(inner), signal.SIGTERM)
    return process.wait(timeout=90)
