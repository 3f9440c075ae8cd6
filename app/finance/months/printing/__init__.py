"""The report of a month as a page and as a PDF: one layout for both."""
