"""A sheet as a grid of text: which column is what, what a tick means, and which rows to add.

Also who may write into it, and writes that are verified because people move its rows.
"""
