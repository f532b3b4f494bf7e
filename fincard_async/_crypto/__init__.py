"""The only importer of ``cryptography``."""
