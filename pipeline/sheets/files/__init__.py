"""What CSV and Excel share: safe replacement of a file, locks, and the claim next to it."""
