"""The device that networks run on, and what is to be said where it is not the one that was hoped for."""

import json
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

FLOAT16_FROM: Final = (7, 0)
"""The compute capability from which a GPU has matrix units for float16 (Volta). Those for bfloat16, from 8.0 on, are no faster,
and TensorFlow rounds every map to its 8 bits: embeddings then differ (docs/gpu.md)."""

DEVICES: Final = ("one", "all")
"""How many GPUs compute: the first one, or all of this machine."""


class DeviceError(RuntimeError):
    """Raised where a required GPU does not compute, or a device computes wrong numbers or has no memory left."""


@dataclass(frozen=True)
class DeviceReport:
    """What computes, and how well that was checked.

    Attributes:
        kind: what networks run on.
        name: the device's, as its driver or operating system gives it.
        count: how many GPUs TensorFlow can use; 1 for the processor.
        driver: the newest version of CUDA that the driver speaks; empty without one.
        capability: the compute capability of the GPU; None for the processor.
        trouble: why a GPU that is there does not compute, in a sentence that says what to do; empty where none is there.
        differences: convolution and matrix product → largest difference from NumPy's result, relative to its largest value;
            empty where they were not run.
        milliseconds: the same → duration of the second run.
        versions: package or library → version; CUDA and cuDNN are those that TensorFlow was built with.
    """

    kind: Literal["GPU", "CPU"]
    name: str
    count: int = 1
    driver: str = ""
    capability: tuple[int, int] | None = None
    trouble: str = ""
    differences: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def policy(self) -> str:
        """How Keras rounds on this device: one of its dtype policies, before it is known whether a backbone bears it."""
        return "mixed_float16" if self.capability is not None and self.capability >= FLOAT16_FROM else "float32"

    @property
    def summary(self) -> str:
        """A line for the page and the log."""
        if self.capability is None:
            return f"{self.kind}: {self.name}"
        more = f"; {self.count} GPUs" if self.count > 1 else ""
        major, minor = self.capability
        return f"{self.kind}: {self.name}, compute capability {major}.{minor}, driver for CUDA {self.driver}{more}"

    def __str__(self) -> str:
        lines = [self.summary]
        for name, difference in self.differences.items():
            lines.append(f"{name}: {self.milliseconds[name]:.2f} ms, agrees with NumPy within {difference:.1e}")
        if self.kind == "GPU":
            lines.append(f"Embeddings: {self.policy}, where a backbone's stay the same as in float32")
        if self.versions:
            lines.append(", ".join(f"{package} {version}" for package, version in self.versions.items()))
        if self.trouble:
            lines.append(f"No GPU computes. {self.trouble}")
        return "\n".join(lines)

    @classmethod
    def from_json(cls, text: str) -> "DeviceReport":
        """The report whose attributes another process wrote as JSON; raises ValueError where it is something else."""
        try:
            found = json.loads(text)
            capability = found.pop("capability")
            return cls(**found, capability=tuple(capability) if capability else None)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"A report of a device must have the attributes of one. Received: {text[:200]!r}"
            ) from error


def processor() -> DeviceReport:
    """The processor of this machine, unchecked."""
    return DeviceReport("CPU", _processor_name())


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
