"""Adapters that are kept: their folders, their cards."""
