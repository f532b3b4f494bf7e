"""The whole client over real sockets, against a server that breaks the wire on purpose."""
