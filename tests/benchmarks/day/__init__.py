"""A day of a fleet, in simulated time.

Real: the store (a SQLite file), the pass with all its parts, the orders and turns that hand out
passes, leases, the recorder of webhooks, and the client's waiting for Google's quota. Simulated:
time, the network, the API, the cells of the sheets, and the people.
"""
