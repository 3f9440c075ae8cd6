"""Pages for administrators: a shell without data, the files that it loads, and sessions of those who signed in."""
