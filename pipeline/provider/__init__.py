"""The way to the API: one request out, one response back; downloads of results."""
