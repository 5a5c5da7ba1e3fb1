"""Servers and long-running commands: webhooks, metrics, `serve` and `watch`."""
