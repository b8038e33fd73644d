"""The data doctor: what is wrong with a dataset before anything is trained on it, and what can be done about it."""
