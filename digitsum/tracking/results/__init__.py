"""Results as git and DVC hold them."""
