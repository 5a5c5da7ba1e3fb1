"""The nodes of n8n that the workflows of the comparison need, as n8n imports them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Node = dict[str, Any]
#: The node that a way begins at, which of its outputs, and the node that it leads to.
Way = tuple[str, int, str]
#: The path of the webhook that starts a run.
PATH = "make-pictures"


#: Where a node is shown if not at height 0; a higher number is further down. Of several ways, n8n
#: first goes the upper one to its end: it asks and writes, and then waits.
_HEIGHTS = {"Of earlier starts": -200, "Wait": 200, "Forget them": 200}


def workflow_of(nodes: Sequence[Node], ways: Sequence[Way]) -> Node:
    """The workflow with these nodes, in the order in which they are shown."""
    for number, node in enumerate(nodes):
        height = _HEIGHTS.get(node["name"], 0)
        node |= {"id": f"node-{number}", "position": [number * 200, height]}
        if node["type"].endswith(("webhook", "wait")):
            node["webhookId"] = f"00000000-0000-4000-8000-{number:012}"
    return {
        "id": "makePictures",
        "name": "Make pictures",
        "active": False,
        "nodes": list(nodes),
        "connections": _connections(ways),
        # Every webhook is an execution: n8n has less to write if it keeps only those that failed.
        "settings": {"executionOrder": "v1", "saveDataSuccessExecution": "none"},
    }


def credentials(key: str, account: dict[str, str]) -> list[dict[str, Any]]:
    """The API's key and Google's service account, as n8n imports them."""
    google = {"email": account["client_email"], "privateKey": account["private_key"]}
    return [
        {
            "id": "apiKey",
            "name": "API key",
            "type": "httpHeaderAuth",
            "data": {"name": "Authorization", "value": key},
        },
        {"id": "googleKey", "name": "Google", "type": "googleApi", "data": google},
    ]


#: Five more attempts: Google answers 429 if there were too many requests in a minute.
REPEATED: Node = {"retryOnFail": True, "maxTries": 5, "waitBetweenTries": 5000}


def node(name: str, kind: str, version: float, **parameters: Any) -> Node:
    """A node of n8n's own."""
    return {
        "name": name,
        "type": f"n8n-nodes-base.{kind}",
        "typeVersion": version,
        "parameters": parameters,
    }


def post(name: str, url: str, body: str) -> Node:
    """A request to the API for each item. It is not repeated."""
    made = node(
        name,
        "httpRequest",
        4.2,
        method="POST",
        url=url,
        authentication="genericCredentialType",
        genericAuthType="httpHeaderAuth",
        sendBody=True,
        specifyBody="json",
        jsonBody=body,
        options={},
    )
    return made | {"credentials": {"httpHeaderAuth": {"id": "apiKey", "name": "API key"}}}


def _google(name: str, spreadsheet: str, operation: str, **more: Any) -> Node:
    made = node(
        name,
        "googleSheets",
        4.7,
        authentication="serviceAccount",
        operation=operation,
        documentId={"__rl": True, "mode": "id", "value": spreadsheet},
        sheetName={"__rl": True, "mode": "name", "value": "Sheet1"},
        options={},
        **more,
    )
    return made | REPEATED | {"credentials": {"googleApi": {"id": "googleKey", "name": "Google"}}}


def read(name: str, spreadsheet: str) -> Node:
    """Read the sheet: once, not once for each row that comes in."""
    return _google(name, spreadsheet, "read") | {"executeOnce": True}


def update(name: str, spreadsheet: str, match: str) -> Node:
    """Write all items with one request; rows are found by the column `match`."""
    columns = {
        "mappingMode": "autoMapInputData",
        "value": {},
        "matchingColumns": [match],
        "schema": [],
    }
    return _google(name, spreadsheet, "update", columns=columns)


def rows(name: str, value: str, operation: str) -> Node:
    """The rows for which this is so leave by the first way, the others by the second."""
    kind = "string" if operation == "empty" else "boolean"
    condition = {
        "id": "condition",
        "leftValue": value,
        "rightValue": "",
        "operator": {"type": kind, "operation": operation, "singleValue": True},
    }
    conditions = {
        "options": {
            "caseSensitive": True,
            "leftValue": "",
            "typeValidation": "loose",
            "version": 2,
        },
        "conditions": [condition],
        "combinator": "and",
    }
    return node(name, "if", 2.2, conditions=conditions, looseTypeValidation=True, options={})


def fields(name: str, values: dict[str, str]) -> Node:
    """Items with these fields and no others."""
    assignments = [
        {"id": title, "name": title, "value": value, "type": "string"}
        for title, value in values.items()
    ]
    return node(name, "set", 3.4, assignments={"assignments": assignments}, options={})


def _connections(ways: Sequence[Way]) -> dict[str, Any]:
    found: dict[str, dict[str, list[list[Node]]]] = {}
    for start, output, end in ways:
        outputs = found.setdefault(start, {"main": []})["main"]
        outputs.extend([] for _ in range(output + 1 - len(outputs)))
        outputs[output].append({"node": end, "type": "main", "index": 0})
    return found
