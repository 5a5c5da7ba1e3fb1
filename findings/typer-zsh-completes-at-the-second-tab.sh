#!/usr/bin/env bash
# Typer 0.29.2: in zsh the first Tab completes nothing, the second one does.
#
# `--install-completion` puts a function file into a folder of zsh's `fpath`. zsh reads such a file at
# the first Tab, as the body of the function: that one call only defines the real function and
# registers it, and offers nothing. From the second Tab on, the real one runs. Whoever tries the
# completion that was just installed sees no result, once in each new shell. Click's own script for
# zsh asks in which way it was loaded, and completes at once.
#
# Seen (what is on the line after one Tab, and after two):
#   first   myapp rec
#   second  myapp receipt
set -euo pipefail
command -v zsh >/dev/null || { echo "needs zsh"; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check typer==0.29.2
cat > "$folder/venv/bin/myapp" <<PYTHON
#!$folder/venv/bin/python
import typer

app = typer.Typer()


@app.command()
def receipt() -> None:
    "What was paid."


@app.command()
def status() -> None:
    "How it is going."


app()
PYTHON
chmod +x "$folder/venv/bin/myapp"
cat > "$folder/try.py" <<'PYTHON'
import os
import pty
import select
import signal
import sys
import time

folder = sys.argv[1]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(HOME=folder, TERM="dumb", PS1="> ", PATH=f"{folder}/venv/bin:{os.environ['PATH']}")
    os.chdir(folder)
    os.execvp("zsh", ["zsh", "-f"])


def shown(until: str, seconds: float = 20.0) -> str:
    """What appears until this text does, or until the time is over."""
    text, end = "", time.monotonic() + seconds
    while until not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            text += os.read(terminal, 4096).decode(errors="replace")
    return text


def types(text: str) -> None:
    os.write(terminal, text.encode())


types("PS1='> '; myapp --install-completion; echo inst''alled\n")
shown("installed\r")
types("fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit -u; echo rea''dy\n")
shown("ready\r")
shown("> ", 2)
types("myapp rec\t")
first = shown("receipt", 5)
types("\t")
second = shown("eipt", 10)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
seen = ["receipt" in first, "eipt" in second]
print("first   myapp", "receipt" if seen[0] else "rec")
print("second  myapp", "receipt" if seen[1] else "rec")
assert seen == [False, True], f"the behaviour has changed: {first!r} {second!r}"
PYTHON
python3 "$folder/try.py" "$folder"
