"""`python -m models list`, `promote`, `rollback`, `history` and `diff`: which bundle is the current one, and which were."""
