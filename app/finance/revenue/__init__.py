"""What came in: how it is booked, once, at which rate, and when it is recognised."""
