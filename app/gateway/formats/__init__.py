"""The APIs that the gateway speaks: what a request asks for, and what an answer says was used."""
