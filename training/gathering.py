"""The first half of a run: from a folder to embeddings that may be learnt from. It needs no TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.engines import Engine
from models.progress import progress_bar
from training.cache import EmbeddingCache
from training.config import AugmentationConfig, RunConfig
from training.embed import embed
from training.leak_gate import leak_gate
from training.leaks import EmbedPlain, Leaks
from training.manifest import Entry, Manifest
from training.material import Material, class_indices, learnable
from training.sheet import write_contact_sheet


@dataclass(frozen=True)
class Gathered:
    """What a run works with.

    Attributes:
        manifest: what may be learnt from and judged, leaks taken care of.
        leaks: what was found of them.
        material: the embeddings; None where a backbone is to be trained from scratch.
    """

    manifest: Manifest
    leaks: Leaks
    material: Material | None


def gather(config: RunConfig, manifest: Manifest, engine: Engine, console: Console) -> Gathered:
    """Draw the contact sheet, search for leaks, and pass every film through the frozen backbone once.

    Raises:
        DatasetError: a leak, without `--regroup`.
    """
    write_contact_sheet(config, manifest, size=engine.backbone.input_size)
    cache = EmbeddingCache.of(engine, config.cache)
    manifest, leaks = leak_gate(config, manifest, plain_embedder(manifest.root, engine, cache, console), console)
    material = None if config.scratch else embed_folder(config, manifest, engine, cache, console)
    engine.release()  # what follows needs the memory
    return Gathered(manifest, leaks, material)


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
) -> Material:
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
    return Material(entries, truth, tuple(entry.patient for entry in entries), embeddings)
