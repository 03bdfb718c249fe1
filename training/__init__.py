"""How a model is made: folder, manifest, grouped split, embeddings, head, calibration, report, bundle."""
