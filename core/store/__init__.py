"""SQLite: schema, migrations, queries. The only SQL of the project."""
