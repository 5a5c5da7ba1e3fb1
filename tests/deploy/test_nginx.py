"""A real nginx with our configuration, in front of two real `serve`: TLS, webhooks and the page."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from string import Template

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, ROOT, Program, call, until
from tests.fakes.service import TOKEN, free_port, history, is_up, service
from tests.fakes.team import Team

TEMPLATE = ROOT / "configs/deploy/docker/nginx/promptsheet.conf.template"
PROMPTS = [f"a kite, number {number}" for number in range(6)]


def test_webhooks_and_the_page_pass_through_nginx_also_while_one_machine_is_down(
    tmp_path: Path,
) -> None:
    certify(tmp_path)
    hooks, pages, tls, plain = pair(), pair(), free_port(), free_port()
    with (
        sandbox_that_trusts(tmp_path / "fullchain.pem") as api,
        nginx(tmp_path, tls, plain, hooks, pages),
    ):
        team = Team(tmp_path, api.url)
        team.write_prompts(PROMPTS)
        configs = [
            service(
                team, f"machine-{n}", hooks=hooks[n], page=pages[n],
                public_url=f"https://127.0.0.1:{tls}",
            )
            for n in (0, 1)
        ]  # fmt: skip
        with Program("serve", configs[0]) as first, Program("serve", configs[1]) as second:
            first.until(lambda: is_up(pages[0]), "the first serves")
            second.until(lambda: is_up(pages[1]), "the second serves")
            with_both = [get(tls, "/metrics", tmp_path)[0] for _ in range(4)]
            call("run", configs[0])
            second.signal(signal.SIGTERM)
            second.end()
            until(lambda: succeeded(team) == 6, "all results came by webhook")
            with_one = [get(tls, "/metrics", tmp_path)[0] for _ in range(4)]
            status, headers, page = get(tls, "/login", tmp_path)
            elsewhere = get(plain, "/status", None)
            too_large = get(tls, "/hooks/x", tmp_path, b"x" * 1_100_000)[0]
        down = get(tls, "/metrics", tmp_path)[0]
        call("run", configs[0])
        log = (tmp_path / "access.log").read_text()

        assert team.statuses() == {"done": 6}
        assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
        assert with_both == with_one == [200] * 4
        assert (status, down, too_large) == (200, 502, 413)
        assert "max-age" in headers["strict-transport-security"]
        assert b"Promptsheet" in page
        assert elsewhere[0] == 301
        assert elsewhere[1]["location"] == "https://127.0.0.1/status"
        assert "/metrics" in log
        assert "/hooks/" not in log


def succeeded(team: Team) -> int:
    """How many attempts have their results in the store."""
    return sum("succeeded" in kinds for kinds in history(team).values())


def pair() -> tuple[int, int]:
    """Two free ports."""
    return free_port(), free_port()


def get(
    port: int, path: str, trusted: Path | None, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer; with `trusted`, over TLS with that certificate."""
    if trusted:
        context = ssl.create_default_context(cafile=str(trusted / "fullchain.pem"))
        opened = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    else:
        opened = http.client.HTTPConnection("127.0.0.1", port, timeout=20)  # type: ignore[assignment]
    with closing(opened) as connection:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, named, answer.read()


def certify(folder: Path) -> None:
    """Write a certificate for this machine, which only these tests trust."""
    name = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    whose = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*name.split(), *whose.split(), "-keyout", "privkey.pem", "-out", "fullchain.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@contextmanager
def sandbox_that_trusts(certificate: Path) -> Iterator[Sandbox]:
    """A sandbox that delivers webhooks over TLS to a server with this certificate."""
    words = ["--port=0", f"--key={KEY}", "--task-seconds=0.5", "--print-url"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.sandbox", *words],
        env={**os.environ, "SSL_CERT_FILE": str(certificate)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        yield Sandbox(process.stdout.readline().strip(), KEY)
    finally:
        process.kill()
        process.stdout.close()
        process.wait(20)


@contextmanager
def nginx(
    folder: Path, tls: int, plain: int, hooks: tuple[int, int], pages: tuple[int, int]
) -> Iterator[None]:
    """Run nginx with our file: other ports, its logs in this folder, and nothing else changed."""
    names = {
        "NAME": "127.0.0.1",
        "RECEIVER": f"127.0.0.1:{hooks[0]}; server 127.0.0.1:{hooks[1]}",
        "PAGE": f"127.0.0.1:{pages[0]}; server 127.0.0.1:{pages[1]}",
        "CERTIFICATES": str(folder),
        "RESOLVE": "",
        "RESOLVER": "127.0.0.1",
    }
    text = Template(TEMPLATE.read_text()).safe_substitute(names)
    for wanted, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{tls} ssl"),
        ("listen 80", f"listen 127.0.0.1:{plain}"),
        ("/var/log/nginx", str(folder)),
    ):
        assert wanted in text
        text = text.replace(wanted, here)
    own = [f"{kind}_temp_path {folder}/{kind};" for kind in TEMPORARY]
    (folder / "promptsheet.conf").write_text(text)
    (folder / "nginx.conf").write_text(
        f"pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;\n"
        "events { worker_connections 256; }\n"
        f"http {{ {' '.join(own)}\ninclude {folder}/promptsheet.conf; }}\n"
    )
    command = [
        shutil.which("nginx") or "/usr/sbin/nginx",
        "-e",
        f"{folder}/error.log",
        "-c",
        f"{folder}/nginx.conf",
    ]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=20)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr
    running = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        yield
    finally:
        running.terminate()
        running.wait(20)


TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
