"""What a call costs: its usage, its model and the moment, and the sources that know a price."""
