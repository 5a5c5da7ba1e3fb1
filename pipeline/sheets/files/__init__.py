"""What CSV and Excel share: safe replacement of a file, locks, the claim beside it."""
