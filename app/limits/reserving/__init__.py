"""What calls hold before they are made: reservations in counters, leases of processes, and how both end."""
