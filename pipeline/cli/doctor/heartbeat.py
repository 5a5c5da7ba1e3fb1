"""What `doctor` says about the service that is called after each pass."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.cli.doctor.case import Case, Finding
from pipeline.sync import heartbeat


def service(case: Case) -> Iterator[Finding]:
    """Whether a connection to the service of `[schedule] ping_url` can be made."""
    url = case.settings.schedule.ping_url
    if url is None:
        return
    if why := heartbeat.unreachable(url.reveal()):
        yield Finding(
            "person",
            f"The service of [schedule] ping_url cannot be reached: {why}. Runs go on without it, "
            "but it will report that none does. Correct ping_url, or see if the service is up.",
        )
        return
    yield Finding(
        "ok",
        "The service of [schedule] ping_url can be reached. It was not called, because it would "
        "take that for a run: only the next run shows if it knows the address.",
    )
