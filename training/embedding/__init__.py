"""Every film once through the frozen backbone: augmented views, the cache, embeddings."""
