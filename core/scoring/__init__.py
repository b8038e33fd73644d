"""Scores of conversations by a rubric: transcripts, ratings, the scorer, agreement with people, the service."""
