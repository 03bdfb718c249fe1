"""From the bytes of a file to a radiograph, or to a refusal; and from a radiograph to the pixels of a network."""
