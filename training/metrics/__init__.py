"""Pure numbers, each with its interval: no file, no picture, no engine."""
