"""Where the backbone itself learns: fine-tuned, or from scratch. The only wing that needs TensorFlow."""
