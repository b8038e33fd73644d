"""Metrics over answers: pure functions by kind of answer, and what each of them is called and means (`named`)."""
