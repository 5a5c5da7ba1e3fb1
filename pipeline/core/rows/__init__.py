"""Which row is which, what it asks for, and which other row it follows.

`rules` is the part of the configuration that decides about rows. Also approvals, feedback, and what
stays of a row once it is forgotten.
"""
