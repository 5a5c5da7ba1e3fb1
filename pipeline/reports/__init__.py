"""Results for people: one line for each picture, the gallery, the summary of a pass."""
