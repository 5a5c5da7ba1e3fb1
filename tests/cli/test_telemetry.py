"""Traces and metrics over OTLP: the real SDK sends them to a receiver here."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, KEY_NAME, ROOT, Ended
from tests.fakes.team import Team
from tests.fakes.web_service import Call, Reply, serving

needs_sdk = pytest.mark.skipif(
    not find_spec("opentelemetry.sdk"), reason="the extra telemetry is not installed"
)
#: Variables of a collector where nothing listens.
NOWHERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}


class Collector:
    """Keeps the bodies of what arrives, by path."""

    def __init__(self) -> None:
        self.url, self.bodies = "", list[tuple[str, bytes]]()

    def accept(self, call: Call) -> Reply:
        is_packed = call.headers.get("content-encoding") == "gzip"
        self.bodies.append((call.path, gzip.decompress(call.body) if is_packed else call.body))
        return Reply()


@pytest.fixture
def collector() -> Iterator[Collector]:
    its = Collector()
    with serving(its.accept) as service:
        its.url = service.url
        yield its


def run(team: Team, variables: dict[str, str], *words: str) -> Ended:
    """A run in a new interpreter, because the SDK starts threads and stays for the process."""
    done = subprocess.run(
        [sys.executable, *words, ROOT / "run.py", "run", team.config, "--wait"],
        env={**os.environ, KEY_NAME: KEY, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@needs_sdk
def test_a_run_sends_a_trace_of_the_pass_and_metrics(
    team: Team, api: Sandbox, collector: Collector
) -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    team.write("prompt", "a fox", "an owl")
    ended = run(team, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    spans, counts = [], Counter[str]()
    for path, body in collector.bodies:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                assert "promptsheet" in str(resource.resource)
                spans += [one for scope in resource.scope_spans for one in scope.spans]
        else:
            assert path == "/v1/metrics"
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in (one for s in resource.scope_metrics for one in s.metrics):
                    if metric.name == "promptsheet.events":
                        for point in metric.sum.data_points:
                            its = {one.key: one.value.string_value for one in point.attributes}
                            counts[its["event"]] = point.as_int

    assert (ended.code, ended.said) == (0, "")
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}
    names = Counter(one.name for one in spans)
    (whole,) = (one for one in spans if one.name == "pass")
    assert names["submit"] == 2
    assert names["poll"] >= 1
    assert names["write"] >= 2
    assert all(one.parent_span_id == whole.span_id for one in spans if one is not whole)
    assert (counts["sent"], counts["succeeded"], counts["written"]) == (2, 2, 2)
    everything = b"".join(body for _, body in collector.bodies)
    assert not any(word in everything for word in (b"fox", b"owl", KEY.encode()))


@needs_sdk
def test_a_collector_that_is_away_disturbs_no_run(team: Team) -> None:
    team.write("prompt", "a fox")
    ended = run(team, NOWHERE)

    assert (ended.code, ended.said, team.rows()[0]["status"]) == (0, "", "done")


@pytest.mark.parametrize(
    "variables",
    [
        {**NOWHERE, "OTEL_SDK_DISABLED": "true"},
        {**NOWHERE, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
)
def test_without_a_collector_nothing_of_it_is_loaded(team: Team, variables: dict[str, str]) -> None:
    team.write("prompt", "a fox")
    ended = run(team, variables, "-X", "importtime")

    assert ended.code == 0
    assert "pipeline.sync.runner" in ended.err
    assert "opentelemetry" not in ended.err
