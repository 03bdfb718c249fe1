"""The audit log: who had which film judged when, by which model, with what result. A chain, so that a change shows."""
