"""The building blocks of `export_usage` and `import_usage`: columns, files, mappings, and rows that become calls."""
