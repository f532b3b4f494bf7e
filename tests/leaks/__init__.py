"""No secret gets out: canaries in every place, and a look at every way out."""
