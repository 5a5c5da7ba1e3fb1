"""The workflow of n8n: generate, wait, ask, in the way that loses least.

    start -> read the sheet -> rows without a task -> in batches: submit, write the task ids
    -> wait -> read again -> rows without pictures -> ask for each -> write the results -> wait

The task ids are written after each batch, so that a start after a crash does not pay for earlier
batches again. Submissions are not repeated by n8n; readings and writes are. All requests of a batch
leave together, and each node writes all its rows with one request: Google allows 60 a minute.
"""

from __future__ import annotations

from typing import Any

#: Rows that are submitted at once, as many as by Promptsheet.
BATCH = 20
WAIT_SECONDS = 5
PATH = "make-pictures"

Node = dict[str, Any]


def workflow(api: str, spreadsheet: str, match: str = "") -> dict[str, Any]:
    """The workflow. Rows are found again by their prompt, and later by their task id, or by the
    column `match` if it is given.
    """
    before, after = match or "prompt", match or "task_id"
    nodes = [
        _node("Start", "webhook", 2.1, httpMethod="POST", path=PATH, responseMode="lastNode"),
        _read("Read the sheet", spreadsheet),
        _rows("Without a task", "={{ $json.task_id }}", "empty"),
        _node("Batches", "splitInBatches", 3, batchSize=BATCH, options={}),
        _post("Submit", f"{api}/imagine", "={{ { prompt: $json.prompt } }}"),
        _set(
            "Task ids",
            {
                before: f"={{{{ $('Batches').item.json.{before} }}}}",
                "task_id": "={{ $json.task_id }}",
                "status": "sent",
            },
        ),
        _update("Write the task ids", spreadsheet, before),
        _node("Wait", "wait", 1.1, amount=WAIT_SECONDS, unit="seconds"),
        _read("Read again", spreadsheet),
        _rows("Without pictures", "={{ $json.task_id && !$json.image_urls }}", "true"),
        _post("Ask", f"{api}/fetch", "={{ { task_id: $json.task_id } }}") | _REPEATED,
        _rows("With pictures", "={{ !!$json.image_urls }}", "true"),
        _set(
            "Results",
            {
                after: f"={{{{ $('Without pictures').item.json.{after} }}}}",
                "status": "done",
                "image_urls": r"={{ $json.image_urls.join('\n') }}",
            },
        ),
        _update("Write the results", spreadsheet, after),
        _node("Rows that are done", "noOp", 1),  # the answer of the webhook is its first row
    ]
    for number, node in enumerate(nodes):
        # Of two ways, n8n first goes the upper one to its end: it writes, and then waits.
        height = 200 if node["name"] == "Wait" else 0
        node |= {"id": f"node-{number}", "position": [number * 200, height]}
        if node["type"].endswith(("webhook", "wait")):
            node["webhookId"] = f"00000000-0000-4000-8000-{number:012}"
    ways = [
        ("Start", 0, "Read the sheet"),
        ("Read the sheet", 0, "Without a task"),
        ("Without a task", 0, "Batches"),
        ("Without a task", 1, "Wait"),
        ("Batches", 0, "Wait"),
        ("Batches", 1, "Submit"),
        ("Submit", 0, "Task ids"),
        ("Task ids", 0, "Write the task ids"),
        ("Write the task ids", 0, "Batches"),
        ("Wait", 0, "Read again"),
        ("Read again", 0, "Without pictures"),
        ("Without pictures", 0, "Ask"),
        ("Without pictures", 1, "Rows that are done"),
        ("Ask", 0, "With pictures"),
        ("Ask", 0, "Wait"),
        ("With pictures", 0, "Results"),
        ("Results", 0, "Write the results"),
    ]
    return {
        "id": "makePictures",
        "name": "Make pictures",
        "active": False,
        "nodes": nodes,
        "connections": _connections(ways),
        "settings": {"executionOrder": "v1"},
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
_REPEATED: Node = {"retryOnFail": True, "maxTries": 5, "waitBetweenTries": 5000}


def _node(name: str, kind: str, version: float, **parameters: Any) -> Node:
    return {
        "name": name,
        "type": f"n8n-nodes-base.{kind}",
        "typeVersion": version,
        "parameters": parameters,
    }


def _post(name: str, url: str, body: str) -> Node:
    node = _node(
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
    return node | {"credentials": {"httpHeaderAuth": {"id": "apiKey", "name": "API key"}}}


def _google(name: str, spreadsheet: str, operation: str, **more: Any) -> Node:
    node = _node(
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
    return node | _REPEATED | {"credentials": {"googleApi": {"id": "googleKey", "name": "Google"}}}


def _read(name: str, spreadsheet: str) -> Node:
    # Once, not once for each row that comes in.
    return _google(name, spreadsheet, "read") | {"executeOnce": True}


def _update(name: str, spreadsheet: str, match: str) -> Node:
    columns = {
        "mappingMode": "autoMapInputData",
        "value": {},
        "matchingColumns": [match],
        "schema": [],
    }
    return _google(name, spreadsheet, "update", columns=columns)


def _rows(name: str, value: str, operation: str) -> Node:
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
    return _node(name, "if", 2.2, conditions=conditions, looseTypeValidation=True, options={})


def _set(name: str, fields: dict[str, str]) -> Node:
    assignments = [
        {"id": title, "name": title, "value": value, "type": "string"}
        for title, value in fields.items()
    ]
    return _node(name, "set", 3.4, assignments={"assignments": assignments}, options={})


def _connections(ways: list[tuple[str, int, str]]) -> dict[str, Any]:
    found: dict[str, dict[str, list[list[Node]]]] = {}
    for start, output, end in ways:
        outputs = found.setdefault(start, {"main": []})["main"]
        outputs.extend([] for _ in range(output + 1 - len(outputs)))
        outputs[output].append({"node": end, "type": "main", "index": 0})
    return found
