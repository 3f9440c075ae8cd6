"""The usage in a provider's response: pure, and the only place that knows providers' conventions."""
