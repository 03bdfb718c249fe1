"""What computes here: whether a GPU does, whether it computes right, what its memory holds, and all GPUs together."""
