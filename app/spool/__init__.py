"""For when MongoDB is away: a journal on local disk, and the delivery of what waits in it."""
