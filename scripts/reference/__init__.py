"""Generates `docs/reference/` and `llms.txt` from the code: `python -m scripts.reference` writes them, a test holds them against it."""
