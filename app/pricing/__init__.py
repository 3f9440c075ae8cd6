"""What a call costs: from its usage, its model and its time, by the sources of prices."""
