"""The gateway: calls of AI providers' own APIs, passed through, and tracked, limited and priced on the way."""
