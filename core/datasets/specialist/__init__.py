"""The data of a specialist: load, clean, format, split, and the test items that its held-out rows become."""
