"""The frozen backbones: the table, their architectures in code, their weights and where these come from."""
