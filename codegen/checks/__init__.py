"""What a schema must keep, one module for each kind of rule; every check yields mistakes."""
