"""From a folder to embeddings that may be learnt from. It needs no TensorFlow."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.engines.engine import Engine
from models.system.progress import progress_bar
from training.config import AugmentationConfig, RunConfig
from training.data.learnable import class_indices, learnable
from training.data.manifest import Entry, Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.cluster_pass import embed_on_cluster
from training.embedding.embed import embed
from training.embedding.embedded_films import EmbeddedFilms, Probes
from training.embedding.folder_lungs import FolderLungs
from training.embedding.views import Probe, View
from training.leaks.find import EmbedPlain

_PROBED: Final = 1000
"""Films that are put to the test: what their surroundings say is told by a fifth of a large folder, too."""


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
    config: RunConfig,
    manifest: Manifest,
    engine: Engine,
    cache: EmbeddingCache,
    console: Console,
    lungs: FolderLungs | None = None,
) -> EmbeddedFilms:
    """Embed every image that may be learnt from, with its augmented views; with the probes where lungs were looked for."""
    entries = learnable(manifest)
    embeddings = _embedded(config, manifest, entries, engine, cache, console, lungs, config.views, "Embedding views")
    truth = class_indices(entries, manifest.labels)
    films = EmbeddedFilms(entries, truth, tuple(entry.patient for entry in entries), embeddings)
    if lungs is None:
        return films
    places = np.sort(np.argsort([entry.sha256 for entry in entries])[:_PROBED])
    some = [entries[place] for place in places]
    seen = _embedded(config, manifest, some, engine, cache, console, lungs, tuple(Probe), "Embedding probes")
    return replace(films, whole=lungs.whole(entries), probes=Probes(places, seen[:, 0], seen[:, 1]))


def _embedded(
    config: RunConfig,
    manifest: Manifest,
    entries: Sequence[Entry],
    engine: Engine,
    cache: EmbeddingCache,
    console: Console,
    lungs: FolderLungs | None,
    views: int | Sequence[View],
    what: str,
) -> NDArray[np.float32]:
    count = len(entries) * (1 + views if isinstance(views, int) else len(views))
    with progress_bar(console, what) as advance:
        embeddings = embed(
            engine,
            manifest.root,
            entries,
            cache,
            views=views,
            augmentation=config.augmentation,
            seed=config.seed,
            lungs=lungs,
            mean_only=config.head.pooling == "mean" and not config.search,
            progress=advance,
            passing=partial(embed_on_cluster, config.cluster, engine) if config.cluster else None,
        )
        advance(count, count)  # those that were kept from an earlier run count too
    return embeddings
