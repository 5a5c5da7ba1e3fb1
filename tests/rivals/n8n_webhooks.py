"""The workflow of n8n with webhooks, in the way that loses least.

    start -> read the sheet -> tasks of earlier starts: ask for each, write what is done
    -> rows without a task -> in batches: submit, write the task ids
    -> wait -> read again -> rows without pictures -> kept results -> write and forget them -> wait
    a result arrives -> keep it in a table of n8n

A result is kept first and written with others, because Google allows 60 writes a minute. A start
asks for tasks of earlier starts: the API gives up if n8n does not answer for some seconds.
"""

from __future__ import annotations

import json

from tests.rivals.n8n_nodes import (
    PATH,
    REPEATED,
    Node,
    Way,
    fields,
    node,
    post,
    read,
    rows,
    update,
    workflow_of,
)
from tests.rivals.n8n_workflow import BATCH, WAIT_SECONDS

SECRET = "a secret of the comparison"
_ARRIVES = "a-picture-is-done"
_UNFINISHED = "={{ $json.task_id && !$json.image_urls }}"
_TABLE = "results"
_COLUMNS = ("task_id", "status", "image_urls")


def workflow(api: str, spreadsheet: str, n8n: str) -> Node:
    """The workflow. `n8n` is the address at which the API reaches n8n."""
    called = {"webhook_url": f"{n8n}/webhook/{_ARRIVES}", "webhook_secret": SECRET}
    body = f"={{{{ Object.assign({{ prompt: $json.prompt }}, {json.dumps(called)}) }}}}"
    nodes = [
        node("Start", "webhook", 2.1, httpMethod="POST", path=PATH, responseMode="lastNode"),
        _table("Table of results"),
        read("Read the sheet", spreadsheet),
        rows("Without a task", "={{ $json.task_id }}", "empty"),
        node("Batches", "splitInBatches", 3, batchSize=BATCH, options={}),
        post("Submit", f"{api}/imagine", body),
        _fields("Task ids", "$('Batches').item.json.prompt", "$json.task_id", "sent"),
        update("Write the task ids", spreadsheet, "prompt"),
        rows("Of earlier starts", _UNFINISHED, "true"),
        post("Ask", f"{api}/fetch", "={{ { task_id: $json.task_id } }}") | REPEATED,
        rows("With pictures", "={{ !!$json.image_urls }}", "true"),
        _result("Earlier results", "$json"),
        update("Write earlier results", spreadsheet, "task_id"),
        node("Wait", "wait", 1.1, amount=WAIT_SECONDS, unit="seconds"),
        read("Read again", spreadsheet),
        rows("Without pictures", _UNFINISHED, "true"),
        _in_table("Kept results", "get", returnAll=True) | {"executeOnce": True},
        fields("Results", {name: f"={{{{ $json.{name} }}}}" for name in _COLUMNS}),
        update("Write the results", spreadsheet, "task_id"),
        _in_table("Forget them", "deleteRows", filters={"conditions": [_UP_TO_LAST]})
        | {"executeOnce": True},
        node("Rows that are done", "noOp", 1),  # the answer of the webhook is its first row
        node("A result arrives", "webhook", 2.1, httpMethod="POST", path=_ARRIVES),
        rows("From the API", _FROM_API, "true"),
        _result("The result", "$json.body"),
        _in_table("Keep it", "insert", columns={"mappingMode": "autoMapInputData", "value": None}),
    ]
    return workflow_of(nodes, _WAYS)


_FROM_API = (
    f"={{{{ $json.headers['x-webhook-secret'] === {json.dumps(SECRET)}"
    " && !!$json.body.image_urls }}"
)
_UP_TO_LAST = {
    "keyName": "id",
    "condition": "lte",
    "keyValue": "={{ Math.max(...$('Kept results').all().map(kept => kept.json.id)) }}",
}
_WAYS: list[Way] = [
    ("Start", 0, "Table of results"),
    ("Table of results", 0, "Read the sheet"),
    ("Read the sheet", 0, "Of earlier starts"),
    ("Read the sheet", 0, "Without a task"),
    ("Without a task", 0, "Batches"),
    ("Without a task", 1, "Wait"),
    ("Of earlier starts", 0, "Ask"),
    ("Ask", 0, "With pictures"),
    ("With pictures", 0, "Earlier results"),
    ("Earlier results", 0, "Write earlier results"),
    ("Batches", 0, "Wait"),
    ("Batches", 1, "Submit"),
    ("Submit", 0, "Task ids"),
    ("Task ids", 0, "Write the task ids"),
    ("Write the task ids", 0, "Batches"),
    ("Wait", 0, "Read again"),
    ("Read again", 0, "Without pictures"),
    ("Without pictures", 0, "Kept results"),
    ("Without pictures", 0, "Wait"),
    ("Without pictures", 1, "Rows that are done"),
    ("Kept results", 0, "Results"),
    ("Results", 0, "Write the results"),
    ("Results", 0, "Forget them"),
    ("A result arrives", 0, "From the API"),
    ("From the API", 0, "The result"),
    ("The result", 0, "Keep it"),
]


def _fields(name: str, prompt: str, task_id: str, status: str) -> Node:
    values = {"prompt": f"={{{{ {prompt} }}}}", "task_id": f"={{{{ {task_id} }}}}"}
    return fields(name, {**values, "status": status})


def _result(name: str, body: str) -> Node:
    """The columns of a finished task, from the API's own words."""
    urls = f"={{{{ {body}.image_urls.join('\\n') }}}}"
    return fields(
        name, {"task_id": f"={{{{ {body}.task_id }}}}", "status": "done", "image_urls": urls}
    )


def _table(name: str) -> Node:
    """Make n8n's own table of results, unless it exists."""
    columns = {"column": [{"name": column, "type": "string"} for column in _COLUMNS]}
    return node(
        name,
        "dataTable",
        1.1,
        resource="table",
        operation="create",
        tableName=_TABLE,
        columns=columns,
        options={"createIfNotExists": True},
    )


def _in_table(name: str, operation: str, **more: object) -> Node:
    table = {"__rl": True, "mode": "name", "value": _TABLE}
    return node(
        name, "dataTable", 1.1, resource="row", operation=operation, dataTableId=table, **more
    )
