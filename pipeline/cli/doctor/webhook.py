"""What `doctor` says about the address for webhooks: it calls this program through it."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.cli.doctor.case import Case, Finding
from pipeline.core.webhook import PATH

#: Seconds for the answer.
WITHIN = 10.0
#: The end of an address that belongs to no task. A GET there records nothing.
_NOBODY = "doctor"


def reached(case: Case) -> Iterator[Finding]:
    """Call the receiver through `[webhook] public_url`, as the API would; it records nothing."""
    address = case.settings.webhook.public_url
    if not address:
        return
    import httpx

    try:
        answer = httpx.get(f"{address}{PATH}{_NOBODY}", timeout=WITHIN, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as why:
        yield Finding(
            "person",
            f"Webhooks do not reach this program: {address} cannot be reached "
            f"({type(why).__name__}). See whether serve or watch is running, and its proxy. Until "
            "then, results are polled.",
        )
        return
    if answer.status_code == 405 and answer.headers.get("allow") == "POST":
        yield Finding("ok", f"Webhooks reach this program at {address}.")
        return
    yield Finding(
        "person",
        f"Webhooks do not reach this program: {address} answers {answer.status_code}, and not as "
        f"Promptsheet does. Let the proxy pass on {PATH} to [webhook] listen. Until then, results "
        "are polled.",
    )
