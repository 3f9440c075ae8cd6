"""Pages for administrators: a shell without data, and the files that it loads."""
