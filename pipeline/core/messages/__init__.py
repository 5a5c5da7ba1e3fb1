"""The sentences that people read: notes of rows, reasons that the store keeps, and dates."""
