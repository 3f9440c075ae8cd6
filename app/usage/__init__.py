"""What a provider's response says was used: pure, and the only place that knows providers' conventions."""
