"""An API as a table of values: its fields and prices, requests to it, and what its answers mean.

Also which files and addresses a cell can name, calls from an API (webhooks), and when to poll.
"""
