"""The atelier command: everything that the pages do."""
