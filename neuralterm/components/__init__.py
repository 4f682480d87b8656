"""What people see, and the bridge for synchronous callers."""
