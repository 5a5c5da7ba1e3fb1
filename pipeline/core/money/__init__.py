"""What rows cost at each account, in credits and in a currency, and what an API has charged.

Also budgets of a part of the rows, receipts, and claims for refunds.
"""
