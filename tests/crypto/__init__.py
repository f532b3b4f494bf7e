"""Tests of keys and sealed values."""
