"""unit: pure and fast. integration: real files, databases and processes. app: every page. browser: the main ways."""
