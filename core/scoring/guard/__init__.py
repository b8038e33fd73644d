"""What is done to a transcript before a model reads it: personal data masked, passages to the scorer cut."""
