"""Of which features the new users upgraded."""
