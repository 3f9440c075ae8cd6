"""What `scripts.doctor` looks at, one file for each group of checks."""
