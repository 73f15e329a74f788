"""What Prometheus is told; each server has a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counts since the server began, and what is open now."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter("opengato_requests", "HTTP requests", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "opengato_request_seconds", "Request to answer", ["route"], buckets=SECONDS, registry=registry
        )
        self.sessions = Gauge("opengato_sessions", "Control sessions that are open", registry=registry)
        self.begun = Counter("opengato_sessions_begun", "Control sessions", registry=registry)
        self.actions = Counter("opengato_actions", "Actions, in sessions and alone", registry=registry)
        self.missed = Counter("opengato_missed_deadlines", "Actions later than their period", registry=registry)
        self.waited = Histogram("opengato_queue_seconds", "Waited for the model", buckets=SECONDS, registry=registry)
        self.passes = Histogram("opengato_pass_seconds", "A pass of actions", buckets=SECONDS, registry=registry)
        self.batch = Histogram("opengato_batch_size", "Actions in a pass", buckets=BATCHES, registry=registry)
        self.tokens = Counter("opengato_tokens_written", "Tokens of texts", registry=registry)
        self.refused = Counter("opengato_refused", "Requests and messages refused", ["status"], registry=registry)

    def on_pass(self, batch: int, seconds: float) -> None:
        """The model made a pass of actions."""
        self.batch.observe(batch)
        self.passes.observe(seconds)
        self.actions.inc(batch)

    def text(self) -> bytes:
        """All of them in Prometheus's own format."""
        return generate_latest(self.registry)
