"""What is used of limits: counters, which folds keep true to the ledger, and what is read of them."""
