"""Tests of the rules: tables and plain functions."""
