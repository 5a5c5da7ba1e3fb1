"""`python -m pipeline.sandbox`: the sandbox by itself, its switches as flags."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.sandbox.server import LOOPBACK, run
from pipeline.sandbox.settings import RULES, Fault, SandboxSettings, SettingsError, shown
from pipeline.sandbox.vendors import VENDORS

APIFRAME = "apiframe"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; 2 if a flag is wrong or the port is taken."""
    given = vars(_parser().parse_args(arguments))
    if given["provider"] != APIFRAME:
        return _serve_vendor(given)
    switches = {name: given[name] for name in RULES if given[name] is not None}

    def ready(url: str) -> None:
        words = f"Apiframe sandbox at {url}, version 2 at {url}/v2 (Ctrl+C stops it)"
        sys.stdout.write((url if given["print_url"] else words) + "\n")
        sys.stdout.flush()

    try:
        run(given["host"], given["port"], given["key"], switches, given["seed"], ready)
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    return 0


def _serve_vendor(given: Mapping[str, Any]) -> int:
    """Serve the stand-in of another vendor; 2 if a flag is wrong or the port is taken."""
    from pipeline.sandbox.vendors.server import run as run_vendor
    from pipeline.sandbox.vendors.server import vendor_of
    from pipeline.sandbox.vendors.service import SwitchError

    switches = {name: given[name] for name in RULES if given[name] is not None}

    def ready(url: str) -> None:
        title = vendor_of(given["provider"]).title
        words = f'{title} sandbox. Set base_url = "{url}" (Ctrl+C stops it)'
        sys.stdout.write((url if given["print_url"] else words) + "\n")
        sys.stdout.flush()

    try:
        run_vendor(given["provider"], given["host"], given["port"], given["key"], switches, ready)
    except (SwitchError, OSError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptsheet sandbox",
        allow_abbrev=False,
        description="A stand-in for Apiframe's API, versions 1, pro and 2. A fault is a rate "
        "(0.2), 'next 3' or 'off', then a kind and a path if wanted: 'next 1 rst /imagine'. "
        "Without a path, most faults concern every submission.",
    )
    parser.add_argument(
        "--provider",
        default=APIFRAME,
        choices=[APIFRAME, *VENDORS],
        help="whose API to stand in for (%(default)s); the others have few of the switches below",
    )
    parser.add_argument("--host", default=LOOPBACK, help="address to listen at (%(default)s)")
    parser.add_argument("--port", type=int, default=8900, help="0: a free one (%(default)s)")
    parser.add_argument(
        "--key",
        default="sandbox",
        help="the API key of version 1; that of version 2 has afk_ before it (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="what chance is drawn from (%(default)s)"
    )
    parser.add_argument("--print-url", action="store_true", help="print the address and no more")
    defaults = shown(SandboxSettings())
    for name, rule in RULES.items():
        flag = "--" + name.replace("_", "-")
        if rule.type is bool:
            parser.add_argument(flag, nargs="?", const=True, help=rule.says)
            continue
        note, metavar = f"{rule.says} ({defaults[name]})", rule.type.__name__.upper()
        if rule.type is Fault:
            note = rule.says + (f"; kinds: {', '.join(rule.kinds)}" if rule.kinds else "")
        elif rule.kinds:
            metavar = "|".join(rule.kinds)
        parser.add_argument(flag, metavar=metavar, help=note.replace("%", "%%"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
