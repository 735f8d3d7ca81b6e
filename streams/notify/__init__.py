"""Reaching the person: cards leave as mail or webhook, once for each raise, escalation and clearing.

Law: what is to leave is noted on notify.deliveries.v1 before it leaves, and what became of it after. So a crash can
repeat a message, under the same id, and never loses one.
"""
