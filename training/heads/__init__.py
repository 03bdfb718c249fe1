"""What learns on embeddings: heads fitted, searched, calibrated, given operating points and a gate."""
