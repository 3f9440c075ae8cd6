"""What administrators see of money in and out."""
