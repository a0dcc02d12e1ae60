"""What the notebooks and pages of the book show."""
