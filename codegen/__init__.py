"""The compiler from ``schema/*.yaml`` to ``fincard_async/_generated``. Not part of the wheel."""
