"""What `simulate` has found: as values, for scripts, for people, and as a page with plots."""
