"""The records of trainings, and how finished runs ship."""
