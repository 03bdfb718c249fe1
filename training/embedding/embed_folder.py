"""From a folder to embeddings that may be learnt from. It needs no TensorFlow."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.engines.engine import Engine
from models.system.progress import progress_bar
from training.config import AugmentationConfig, RunConfig
from training.data.leaks import EmbedPlain
from training.data.learnable import class_indices, learnable
from training.data.manifest import Entry, Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.embed import embed
from training.embedding.embedded_films import EmbeddedFilms


def plain_embedder(root: Path, engine: Engine, cache: EmbeddingCache, console: Console) -> EmbedPlain:
    """What the leak gate confirms near-duplicates with; the pass over the folder finds these embeddings in the cache."""

    def embed_plain(entries: Sequence[Entry]) -> NDArray[np.float32]:
        with progress_bar(console, "Confirming near-duplicates") as advance:
            embeddings = embed(
                engine,
                root,
                entries,
                cache,
                views=0,
                augmentation=AugmentationConfig(),
                seed=0,
                mean_only=True,
                progress=advance,
            )
            advance(len(entries), len(entries))
        return embeddings[:, 0, 0]

    return embed_plain


def embed_folder(
    config: RunConfig, manifest: Manifest, engine: Engine, cache: EmbeddingCache, console: Console
) -> EmbeddedFilms:
    """Embed every image that may be learnt from, with its augmented views."""
    entries = learnable(manifest)
    count = len(entries) * (1 + config.views)
    with progress_bar(console, "Embedding views") as advance:
        embeddings = embed(
            engine,
            manifest.root,
            entries,
            cache,
            views=config.views,
            augmentation=config.augmentation,
            seed=config.seed,
            mean_only=config.head.pooling == "mean" and not config.search,
            progress=advance,
        )
        advance(count, count)  # those that were kept from an earlier run count too
    truth = class_indices(entries, manifest.labels)
    return EmbeddedFilms(entries, truth, tuple(entry.patient for entry in entries), embeddings)
