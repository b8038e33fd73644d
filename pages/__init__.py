"""The screens. Each is thin: it reads the store, writes requests, and never imports torch."""
