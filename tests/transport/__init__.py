"""Tests of the real transport, over sockets on this machine."""
