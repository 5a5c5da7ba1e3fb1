"""A receiver of pushes, as a back end with the reference library of Standard Webhooks has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.fakes.outlets.messages import POISON
from tests.fakes.web_service import Call, Reply

SCHEMA: Final = json.loads(
    (Path(__file__).parents[3] / "docs" / "reference" / "push.schema.json").read_text("utf-8")
)
SECRET: Final = "whsec_" + "c2VjcmV0IG9mIHRlc3RzLCAyNCBieXRlcyBhbmQgbW9yZQ=="
_VALIDATOR: Final = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


def problems_of(body: object) -> list[str]:
    """What is wrong with a body by the published schema."""
    return [error.message for error in _VALIDATOR.iter_errors(body)]


class Receiver:
    """Accepts what is signed and valid, each id once: `accepted` has the id and body of each."""

    def __init__(self, secret: str = SECRET) -> None:
        self.accepted: dict[str, Any] = {}
        self.repeats = 0
        self._webhook = Webhook(secret)

    def __call__(self, call: Call) -> Reply:
        if len(call.body) >= 20_000:
            return Reply(413)
        try:
            body = self._webhook.verify(call.body, dict(call.headers))
        except (WebhookVerificationError, ValueError):
            return Reply(401)
        if problems_of(body) or POISON in json.dumps(body):
            return Reply(422)
        number = call.headers["webhook-id"]
        self.repeats += number in self.accepted
        self.accepted[number] = body
        return Reply(204)
