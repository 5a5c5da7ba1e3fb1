"""Promptsheet."""
