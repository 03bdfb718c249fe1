"""How a model is used by a person: the pages in the browser. No numerics of its own."""
