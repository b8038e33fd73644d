"""Examples: read, checked, generated, mixed, split, and kept as versions named by their content."""
