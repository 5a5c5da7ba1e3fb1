"""The workflow of n8n: generate, wait, ask, in the way that loses least.

    start -> read the sheet -> rows without a task -> in batches: submit, write the task ids
    -> wait -> read again -> rows without pictures -> ask for each -> write the results -> wait

The task ids are written after each batch, so that a start after a crash does not pay for earlier
batches again. Submissions are not repeated by n8n; readings and writes are. All requests of a batch
leave together, and each node writes all its rows with one request: Google allows 60 a minute.
"""

from __future__ import annotations

from tests.rivals.n8n_nodes import (
    PATH,
    REPEATED,
    Node,
    fields,
    node,
    post,
    read,
    rows,
    update,
    workflow_of,
)

#: Rows that are submitted at once, as many as by Promptsheet.
BATCH = 20
WAIT_SECONDS = 5


def workflow(api: str, spreadsheet: str, _n8n: str, match: str = "") -> Node:
    """The workflow. Rows are found again by their prompt, and later by their task id, or by the
    column `match` if it is given.
    """
    before, after = match or "prompt", match or "task_id"
    nodes = [
        node("Start", "webhook", 2.1, httpMethod="POST", path=PATH, responseMode="lastNode"),
        read("Read the sheet", spreadsheet),
        rows("Without a task", "={{ $json.task_id }}", "empty"),
        node("Batches", "splitInBatches", 3, batchSize=BATCH, options={}),
        post("Submit", f"{api}/imagine", "={{ { prompt: $json.prompt } }}"),
        fields(
            "Task ids",
            {
                before: f"={{{{ $('Batches').item.json.{before} }}}}",
                "task_id": "={{ $json.task_id }}",
                "status": "sent",
            },
        ),
        update("Write the task ids", spreadsheet, before),
        node("Wait", "wait", 1.1, amount=WAIT_SECONDS, unit="seconds"),
        read("Read again", spreadsheet),
        rows("Without pictures", "={{ $json.task_id && !$json.image_urls }}", "true"),
        post("Ask", f"{api}/fetch", "={{ { task_id: $json.task_id } }}") | REPEATED,
        rows("With pictures", "={{ !!$json.image_urls }}", "true"),
        fields(
            "Results",
            {
                after: f"={{{{ $('Without pictures').item.json.{after} }}}}",
                "status": "done",
                "image_urls": r"={{ $json.image_urls.join('\n') }}",
            },
        ),
        update("Write the results", spreadsheet, after),
        node("Rows that are done", "noOp", 1),  # the answer of the webhook is its first row
    ]
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
    return workflow_of(nodes, ways)
