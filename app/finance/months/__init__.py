"""The report of a month: its figures, kept when it is closed, as page, PDF, table and e-mail."""
