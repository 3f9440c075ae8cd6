"""What is figured from revenue and cost, of one window and one moment."""
