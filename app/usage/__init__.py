"""What a provider's response says was used. Pure: it imports models alone."""
