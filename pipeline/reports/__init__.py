"""Results for people: the list of jobs, the gallery, the summary of a pass."""
