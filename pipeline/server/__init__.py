"""Everything that listens or stays: webhooks, metrics, the commands `serve` and `watch`."""
