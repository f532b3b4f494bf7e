"""Tests of the balance watch."""
