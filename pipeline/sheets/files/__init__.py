"""Shared by CSV and Excel: safe replacement of a file, locks, and the claim next to it."""
