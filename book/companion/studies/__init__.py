"""What is observed beside the papers' tables, and recorded in results/observations."""
