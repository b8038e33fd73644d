"""Model and people: how far they agree, calibration by their ratings, two models over the same ratings."""
