"""What there is to choose from: industry packs and base models, read from YAML."""
