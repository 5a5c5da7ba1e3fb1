"""What our cells should say, and which of them are out of date.

Also which rows are as they were left, and results that stand only in cells.
"""
