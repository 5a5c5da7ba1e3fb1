"""Errors of Google: every error of the API is a `Refused` with the body of the answer."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
PROTECTED = (
    "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to "
    "remove protection if you need to edit."
)
TOO_LONG = "Your input contains more than the maximum of 50000 characters in a single cell."
TOO_MANY_CELLS = (
    "This action would increase the number of cells in the workbook above the limit of "
    "10000000 cells."
)


class Refused(Exception):
    """The request is not applied; this is the answer."""

    def __init__(
        self, code: int, message: str, details: list[Json] | None = None, status: str = ""
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, details
        self.status = status or STATUSES[code]

    @property
    def body(self) -> Json:
        error: Json = {"code": self.code, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def bad(message: str) -> Refused:
    """400, the request makes no sense."""
    return Refused(400, message)


def bad_field(field: str, description: str) -> Refused:
    """400, and which field of the request it was."""
    violation = {"field": field, "description": description}
    kind = "type.googleapis.com/google.rpc.BadRequest"
    return Refused(400, description, [{"@type": kind, "fieldViolations": [violation]}])


def not_a_list(field: str, value: object) -> Refused:
    """400, the values are no list of lists."""
    kind = "type.googleapis.com/google.protobuf.ListValue"
    shown = json.dumps(value, ensure_ascii=False)
    return bad_field(field, f"Invalid value at '{field}' ({kind}), {shown}")


def office_file() -> Refused:
    """400, the document is an Excel file in Drive (burnash/gspread, issue 732)."""
    return Refused(
        400, "This operation is not supported for this document", status="FAILED_PRECONDITION"
    )


def unknown() -> Refused:
    """404, there is no such spreadsheet (or path)."""
    return Refused(404, "Requested entity was not found.")


def forbidden() -> Refused:
    """403, the account has not been given what it asks for."""
    return Refused(403, "The caller does not have permission")


def unauthenticated() -> Refused:
    """401, no token, or none that is good now."""
    return Refused(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential. "
        "See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    )


def _error_info(reason: str, **metadata: str) -> list[Json]:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    about = {"service": "sheets.googleapis.com", "consumer": "projects/123", **metadata}
    return [{"@type": kind, "reason": reason, "domain": "googleapis.com", "metadata": about}]


def not_enabled() -> Refused:
    """403, the project of the account has the API switched off."""
    return Refused(
        403,
        "Google Sheets API has not been used in project 123 before or it is disabled. Enable it "
        "by visiting https://console.developers.google.com/apis/api/sheets.googleapis.com/"
        "overview?project=123 then retry.",
        _error_info("SERVICE_DISABLED"),
    )


def too_many(kind: str, limit: int) -> Refused:
    """429; `kind` is `read` or `write`."""
    name = kind.capitalize()
    return Refused(
        429,
        f"Quota exceeded for quota metric '{name} requests' and limit '{name} requests per minute "
        "per user' of service 'sheets.googleapis.com' for consumer 'project_number:123'.",
        _error_info(
            "RATE_LIMIT_EXCEEDED",
            quota_metric=f"sheets.googleapis.com/{kind}_requests",
            quota_limit=f"{name}RequestsPerMinutePerUser",
            quota_limit_value=str(limit),
        ),
    )


def internal() -> Refused:
    """500."""
    return Refused(500, "Internal error encountered.")


def unavailable() -> Refused:
    """503."""
    return Refused(503, "The service is currently unavailable.")
