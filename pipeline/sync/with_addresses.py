"""Uploads the files of a submission, and keeps their addresses before the submission leaves.

Where the API honours a resend key, a submission whose answer was lost is sent again, and must then
have the same body. A second upload of the same file would give it another address.
"""

from __future__ import annotations

from pipeline.core.errors import NotSent, StoreError
from pipeline.core.model import Attempt, JobKey, Request
from pipeline.sync.ports import Wire
from pipeline.sync.submissions import Submissions
from pipeline.sync.worker import Worker


class WithAddresses:
    """Gives submissions to one API the addresses of their files."""

    def __init__(self, wire: Wire, submissions: Submissions, worker: Worker) -> None:
        self._wire, self._submissions, self._worker = wire, submissions, worker

    async def request(
        self, key: JobKey, attempt: Attempt, request: Request, within: float
    ) -> Request:
        """The request as it may leave. Its addresses are on disk.

        Raises PartUnread if a file cannot be uploaded, and NotSent if the store cannot keep the
        addresses: nothing was sent.
        """
        if not (request.parts and attempt.resend_key):
            return request
        final = await self._wire.uploaded(request, within)
        if final.body != request.body:
            try:
                await self._worker.run(self._submissions.keep_body, key, attempt.number, final)
            except StoreError as error:
                raise NotSent(f"the addresses of its files could not be kept: {error}") from error
        return final
