"""When and what the twin asks the solver: triggers, scope, and the scheduling problem."""
