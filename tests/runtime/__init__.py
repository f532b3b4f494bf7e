"""Tests of everything that awaits, over a scripted wire and a fake clock."""
