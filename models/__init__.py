"""What a model is: decoding, backbones, the network, the bundle, prediction, heatmap."""
