"""One model on one benchmark, two models on the same items, and what that proves."""
