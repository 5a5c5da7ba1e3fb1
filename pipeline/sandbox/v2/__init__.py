"""Version 2 of the API: shapes of requests, jobs, LoRAs, and their routes."""
