"""Signing in to the pages at an identity provider: OpenID Connect's authorization code flow with PKCE."""
