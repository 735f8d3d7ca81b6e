"""What people decide, and what becomes of it: proposals, commits, and the plan in force."""
