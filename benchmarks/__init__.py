"""Measurements of speed and memory beside other programs, run by hand and never as tests."""
