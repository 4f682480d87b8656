"""Adapters: HTTP, SQLite, tokens."""
