"""What will be: when runs and orders end, how likely they are late, and what that rests on."""
