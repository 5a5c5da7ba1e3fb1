"""Everything that is decided, and nothing that is done: pure functions over frozen values.

Standard library only. The clock, chance and lists come in as arguments, so each rule of the
product can be read, printed and tested without a sheet, a store or a network.
"""
