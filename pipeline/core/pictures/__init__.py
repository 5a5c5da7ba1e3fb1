"""Saved pictures: their names, kinds and links, and whether they have the shape that was asked for.

Also which of them a person picked, and which results are made again.
"""
