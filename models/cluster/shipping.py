"""Bundles and weights on their way to workers: sent once, by digest, and verified where they arrive."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.backbones.weights import WeightsError, WeightsFile
from models.bundle import Bundle, BundleError, read_bundle
from models.system.files import digest


@dataclass(frozen=True)
class ShippedWeights:
    """A weight file.

    Attributes:
        name, sha256, source: as of `models.backbones.weights.WeightsFile`.
        content: a reference to its bytes in the cluster's memory.
    """

    name: str
    sha256: str
    source: str
    content: Any

    @classmethod
    def of(cls, weights: WeightsFile) -> "ShippedWeights":
        """Put a weight file into the memory of the cluster that is connected."""
        import ray

        return cls(weights.path.name, weights.sha256, weights.source, ray.put(weights.path.read_bytes()))

    @contextmanager
    def unpacked(self) -> Iterator[WeightsFile]:
        """Have the file for a while; raises WeightsError where it is not what was sent."""
        import ray

        with tempfile.TemporaryDirectory(prefix="pneumolens-") as scratch:
            path = Path(scratch) / self.name
            path.write_bytes(ray.get(self.content))
            if (found := digest(path)) != self.sha256:
                raise WeightsError(f"The weights that were sent must have the SHA-256 {self.sha256}. Received: {found}")
            yield WeightsFile(path, self.sha256, self.source)


@dataclass(frozen=True)
class ShippedBundle:
    """A bundle.

    Attributes:
        name: its name.
        sha256: of its `bundle.json`, which has the digests of all its files.
        files: by name, references to their bytes in the cluster's memory.
    """

    name: str
    sha256: str
    files: dict[str, Any]

    @classmethod
    def of(cls, bundle: Bundle) -> "ShippedBundle":
        """Put a bundle into the memory of the cluster that is connected."""
        import ray

        files = {path.name: ray.put(path.read_bytes()) for path in sorted(bundle.folder.iterdir()) if path.is_file()}
        return cls(bundle.spec.name, bundle.sha256, files)

    @contextmanager
    def unpacked(self) -> Iterator[Bundle]:
        """Have the bundle for a while, every file of it verified; raises BundleError where it is not what was sent."""
        import ray

        with tempfile.TemporaryDirectory(prefix="pneumolens-") as scratch:
            folder = Path(scratch) / self.name
            folder.mkdir()
            for name, content in zip(self.files, ray.get(list(self.files.values())), strict=True):
                (folder / name).write_bytes(content)
            bundle = read_bundle(folder)
            if bundle.sha256 != self.sha256:
                raise BundleError(
                    f"The bundle that was sent must have the SHA-256 {self.sha256}. Received: {bundle.sha256}"
                )
            yield bundle
