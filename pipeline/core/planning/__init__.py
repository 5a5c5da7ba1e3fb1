"""What to do with each row of a reading: its line of the plan.

Also which lines the budget covers, samples, when a plan is done, and a plan as a file.
"""
