"""The lean transport: its reader, its connections, its clock, and when it is taken."""
