"""Who finds risks: one judge a kind of card, and what they share."""
