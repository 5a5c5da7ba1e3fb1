"""What things cost: an import, a row, a request, a pass."""
