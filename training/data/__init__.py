"""From a folder to who may learn from which film: manifest, patients, leaks, folds."""
