"""Traces and metrics for OpenTelemetry, over OTLP: the extra `telemetry`.

They are on if the extra is installed and an OTEL_* variable names a collector. Otherwise nothing of
it is loaded. The SDK reads the variables. Metrics are counted from the log of events. No span and
no metric has a key, a prompt, an address or a text of the API.

Owns the tracer of the process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from pipeline import event_log

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

_NAME: Final = "promptsheet"
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
_METRICS: Final = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_METRICS_EXPORTER")
_tracer: Tracer | None = None


def span(name: str, **about: str | int) -> AbstractContextManager[object]:
    """A span around a block, below the span that the block runs in; nothing if telemetry is off."""
    if _tracer is None:
        return nullcontext()
    return _tracer.start_as_current_span(name, attributes=about)


def start(environ: Mapping[str, str] = os.environ) -> None:
    """Send traces and metrics from now on, if a collector is named and the extra is installed."""
    global _tracer
    traces, metrics = (_is_wanted(environ, *names) for names in (_TRACES, _METRICS))
    is_off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if _tracer is not None or is_off or not (traces or metrics):
        return
    if not (find_spec("opentelemetry") and find_spec("opentelemetry.exporter.otlp.proto.http")):
        return
    # A collector that is away is no trouble of a run; cron would mail each line about it.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    from opentelemetry.sdk.resources import Resource

    has_name = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    resource = Resource.create({} if has_name else {"service.name": _NAME})
    if traces:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=resource)  # sends what is left as the process ends
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        _tracer = provider.get_tracer(_NAME)
    if metrics:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        meter = MeterProvider([reader], resource=resource).get_meter(_NAME)
        event_log.send_to(Counting(meter), logging.INFO)


def _is_wanted(environ: Mapping[str, str], endpoint: str, exporter: str) -> bool:
    is_named = bool(environ.get(endpoint) or environ.get(_ENDPOINT))
    return is_named and environ.get(exporter, "otlp").strip().lower() == "otlp"


class Counting(logging.Handler):
    """Counts the events of the log as metrics."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._events = meter.create_counter(
            "promptsheet.events", "{event}", "Events of rows, by event, sheet and endpoint"
        )
        self._passes = meter.create_counter("promptsheet.passes", "{pass}", "Passes, by result")
        self._spans = {
            "succeeded": meter.create_histogram(
                "promptsheet.task.duration", "s", "From sending a row to its result"
            ),
            "written": meter.create_histogram(
                "promptsheet.write.delay", "s", "From a result to the cells that show it"
            ),
            "pass_ended": meter.create_histogram("promptsheet.pass.duration", "s", "A pass"),
        }

    def emit(self, record: logging.LogRecord) -> None:
        """Count one event."""
        event = record.getMessage()
        fields: Mapping[str, Any] = vars(record)["fields"]
        about = {"sheet": fields["sheet"]}
        if event in event_log.JOB_EVENTS:
            about["endpoint"] = fields["endpoint"]
            self._events.add(1, {**about, "event": event})
        elif event == "pass_ended":
            about["result"] = fields["result"]
            self._passes.add(1, about)
        if event in self._spans:
            self._spans[event].record(fields["seconds"], about)
