"""The files of configs/deploy are valid, each according to the tool that reads it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from ruamel.yaml import YAML

from pipeline import config
from pipeline.cli.commands import app
from pipeline.sync.delivery_thread import LAST_SECONDS
from tests.fakes.program import ROOT

DEPLOY = ROOT / "configs" / "deploy"
BIN = Path(sys.executable).parent
SECRETS = {
    "APIFRAME_API_KEY": "key",
    "PROMPTSHEET_STORE": "postgresql://someone:secret@store.example.com/promptsheet",
    "PROMPTSHEET_WEBHOOK_SECRET": "s" * 32,
    "PROMPTSHEET_PAGE_TOKEN": "t" * 32,
    "GOOGLE_KEY": "{}",
}
NOT_RUN = [
    "docker/compose.yaml",
    "github-actions/promptsheet.yml",
    "kubernetes/promptsheet.yaml",
]


def checked(*words: str | Path) -> str:
    """What a tool prints. Raises AssertionError if it finds a mistake."""
    ended = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_hadolint_finds_no_mistake_in_the_dockerfile() -> None:
    assert checked(BIN / "hadolint", DEPLOY / "docker/Dockerfile") == ""


def test_the_image_has_what_the_dockerfile_copies() -> None:
    text = (DEPLOY / "docker/Dockerfile").read_text()
    copied = [words.split()[:-1] for words in re.findall(r"(?m)^COPY (?!--)(.*)$", text)]

    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []


def test_the_lock_of_the_image_has_all_that_its_services_import() -> None:
    lock = (DEPLOY / "docker/requirements.lock").read_text()
    pinned = set(re.findall(r"(?m)^([a-z0-9-]+)==", lock))

    product = set(re.findall(r"(?m)^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text()))
    assert product | {"psycopg", "s3fs"} <= pinned
    assert "://" not in lock


def test_the_compose_file_is_valid() -> None:
    checked(
        BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec",
        DEPLOY / "docker/compose.yaml",
    )  # fmt: skip


def test_the_containers_can_read_the_files_and_write_the_folders_that_they_need() -> None:
    compose = YAML(typ="safe").load(DEPLOY / "docker/compose.yaml")
    mounts = [mount.split(":") for mount in compose["x-promptsheet"]["volumes"]]
    wanted = re.findall(r'"file:([^"]+)"', (DEPLOY / "docker/promptsheet.toml").read_text())
    image = (DEPLOY / "docker/Dockerfile").read_text()
    folders = [place for name, place, *_ in mounts if name in compose["volumes"]]

    assert wanted, "the configuration names a file"
    assert {f"/campaign/{name}" for name in wanted} <= {place for _, place, *_ in mounts}
    # The rescue file and downloads are beside the configuration.
    assert folders == ["/campaign"]
    # Without this, a volume belongs to root, and the user of the image cannot write into it.
    assert "WORKDIR /campaign" in image
    assert "chown promptsheet .\n" in image


def test_the_pods_can_write_beside_a_configuration_whose_path_is_the_same_in_all() -> None:
    manifests = list(YAML(typ="safe").load_all(DEPLOY / "kubernetes/promptsheet.yaml"))
    pods = [one["spec"]["template"]["spec"] for one in manifests if one["kind"] == "Deployment"]

    assert len(pods) == 2
    for pod in pods:
        volumes = {one["name"]: one for one in pod["volumes"]}
        [container] = pod["containers"]
        mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
        assert "emptyDir" in volumes[mounts["/campaign"]["name"]]
        # A whole ConfigMap is read-only, behind links whose names differ in each pod.
        file = mounts["/campaign/promptsheet.toml"]
        assert (file["name"], file["subPath"]) == ("configuration", "promptsheet.toml")


def test_the_workflow_of_github_is_valid() -> None:
    checked(
        BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows",
        DEPLOY / "github-actions/promptsheet.yml",
    )  # fmt: skip


def test_the_manifests_of_kubernetes_are_valid() -> None:
    said = checked(BIN / "kubernetes-validate", "--strict", DEPLOY / "kubernetes/promptsheet.yaml")

    assert said.count("passed for resource") == 6


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program = tmp_path / "promptsheet"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    names = []
    for unit in (DEPLOY / "systemd").iterdir():
        installed = "/srv/campaign/.venv/bin/promptsheet"  # systemd wants to see the program
        (tmp_path / unit.name).write_text(unit.read_text().replace(installed, str(program)))
        names.append(tmp_path / unit.name)

    assert len(names) == 3
    assert checked("systemd-analyze", "verify", *names) == ""


def test_the_line_for_cron_runs_a_pass_and_no_second_one_beside_it() -> None:
    lines = (DEPLOY / "cron/promptsheet.cron").read_text().splitlines()
    [line] = [line for line in lines if line and not line.startswith("#") and "=" not in line[:9]]
    *schedule, user, command = line.split(maxsplit=6)

    assert (schedule, user) == (["*/5", "*", "*", "*", "*"], "promptsheet")
    assert "%" not in command  # cron would read it as the end of the line
    assert "flock --nonblock" in command


@pytest.mark.parametrize("name", ["docker/promptsheet.toml", "kubernetes/promptsheet.yaml"])
def test_the_program_accepts_the_configurations(tmp_path: Path, name: str) -> None:
    path = DEPLOY / name
    text = path.read_text()
    if path.suffix == ".yaml":
        text = next(iter(YAML(typ="safe").load_all(text)))["data"]["promptsheet.toml"]
    (tmp_path / "promptsheet.toml").write_text(text)
    (tmp_path / "google.json").write_text("{}")

    settings = config.load(tmp_path / "promptsheet.toml", need_key=True, environ=SECRETS)

    assert settings.webhook.public_url == settings.page.public_url != ""
    assert "secret@" not in repr(settings)


def test_every_command_in_the_files_can_be_typed() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    texts = {path: path.read_text() for path in DEPLOY.rglob("*") if path.is_file()}
    found = {
        tuple(shlex.split(words))
        for path, text in texts.items()
        if path.suffix in {".cron", ".service", ".yml"}
        for words in re.findall(r"(?:/promptsheet|run: promptsheet) ([a-z].*toml)", text)
    }
    for path in (DEPLOY / "docker/compose.yaml", DEPLOY / "kubernetes/promptsheet.yaml"):
        lists = re.findall(r"(?:command|args): \[([a-z]+, promptsheet.toml)\]", texts[path])
        assert len(lists) == 2
        found.update(tuple(words.split(", ")) for words in lists)

    assert {words[0] for words in found} == {"run", "watch", "serve"} <= commands.keys()


def test_a_service_has_time_to_end_for_the_longest_answer_and_the_last_messages() -> None:
    providers = (path.read_text() for path in (ROOT / "configs/providers").glob("*.toml"))
    longest = max(int(one) for text in providers for one in re.findall(r"deadline = (\d+)", text))
    says = r"(?:TimeoutStopSec=|stop_grace_period: |terminationGracePeriodSeconds: )(\d+)"
    files = [path.read_text() for path in DEPLOY.rglob("*") if path.suffix in {".service", ".yaml"}]
    given = [int(one) for text in files for one in re.findall(says, text)]

    assert len(given) == 5
    assert min(given) >= longest + LAST_SECONDS


def test_what_cannot_run_here_says_so_in_its_first_line() -> None:
    first_lines = {
        str(path.relative_to(DEPLOY)): path.read_text().partition("\n")[0]
        for folder in ("docker", "github-actions", "kubernetes")
        for path in (DEPLOY / folder).glob("*")
        if path.is_file()
    }
    said = [name for name, line in first_lines.items() if "not run here" in line.lower()]

    assert sorted(said) == NOT_RUN
