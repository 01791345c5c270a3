"""Who may call a gateway, how often, and for how much money: keys, rates and caps. Pure arithmetic,
each with two homes: embedded in one gateway, or in a Redis that all of them share."""
