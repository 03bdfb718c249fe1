"""Work on several machines at once: Ray, what is sent to its workers, and films that lie where all of them can read."""
