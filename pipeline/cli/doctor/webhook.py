"""What `doctor` says about the address for webhooks: it calls this program through it.

A second call is proved as the API would prove it, but says nothing. A receiver with the same secret
answers that it is no JSON; one with another secret answers as to a stranger.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from pipeline.cli.doctor.case import Case, Finding
from pipeline.core.api.webhook import PATH, proving
from pipeline.server.webhook_proofs import proofs_of

#: Seconds for the answer.
WITHIN = 10.0
#: The end of an address that belongs to no task, so that a call records nothing.
_NO_TASK = "doctor"
_SAYS_NOTHING = b"A call of promptsheet doctor"


def reached(case: Case) -> Iterator[Finding]:
    """Call the receiver through `[webhook] public_url`, as the API would; it records nothing."""
    address, listen = case.settings.webhook.public_url, case.settings.webhook.listen
    if not address:
        return
    unset = "" if listen else " This configuration receives none: its [webhook] listen is not set."
    import httpx

    try:
        answer = httpx.get(f"{address}{PATH}{_NO_TASK}", timeout=WITHIN, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as why:
        yield Finding(
            "person",
            f"Webhooks do not reach this program: {address} cannot be reached "
            f"({type(why).__name__}). See whether serve or watch is running, and its proxy.{unset} "
            "Until then, results are polled.",
        )
        return
    if answer.status_code == 405 and answer.headers.get("allow") == "POST":
        refused = ", ".join(sorted(_refused(case, address)))
        yield (
            Finding(
                "person",
                f"Webhooks do not reach this program: what receives them at {address} has another "
                f"secret or key for {refused} than this configuration, and refuses them. Restart "
                "serve or watch there. Until then, results are polled.",
            )
            if refused
            else Finding("ok", f"Webhooks reach this program at {address}.")
        )
        return
    yield Finding(
        "person",
        f"Webhooks do not reach this program: {address} answers {answer.status_code}, and not as "
        f"Promptsheet does. Let the proxy pass on {PATH} to [webhook] listen.{unset} Until then, "
        "results are polled.",
    )


def _refused(case: Case, address: str) -> set[str]:
    """The APIs whose calls the receiver would refuse. Empty if the sheet cannot be read."""
    import httpx

    refused: set[str] = set()
    for api, proofs in proofs_of(case.settings, case.sync.rules) if case.sync else ():
        headers = proving(proofs, _NO_TASK, _SAYS_NOTHING, time.time())
        if headers is None:
            continue
        try:
            answer = httpx.post(
                f"{address}{PATH}{_NO_TASK}", content=_SAYS_NOTHING, headers=headers, timeout=WITHIN
            )
        except httpx.HTTPError:
            continue  # The address was reached just now; the next call of the API may be, too.
        if answer.status_code == 404:
            refused.add(api.provider.title)
    return refused
