"""How the bundled base model is made: its text, its tokenizer, its training."""
