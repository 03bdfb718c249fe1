"""The HTTP API beside the page: the same server, the same loaded model, for programs."""
