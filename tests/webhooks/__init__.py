"""Webhooks: signatures, events, the inbox and its edges."""
