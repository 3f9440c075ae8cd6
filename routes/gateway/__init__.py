"""The addresses of the gateway: those of the providers' own APIs, with and without `/v1`."""
