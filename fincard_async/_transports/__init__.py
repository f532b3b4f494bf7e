"""The only client-side users of aiohttp."""
