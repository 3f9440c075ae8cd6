"""What operators do to stored calls. Nothing of it runs in a request."""
