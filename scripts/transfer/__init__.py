"""What `export_usage` and `import_usage` are made of: columns, files, mappings, and rows that become calls."""
