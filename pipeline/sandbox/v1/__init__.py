"""Versions 1 and pro of the API: a table of endpoints, and their routes."""
