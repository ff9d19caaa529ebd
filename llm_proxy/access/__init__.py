"""Who may ask, how much, and for how much money: keys, limits, budgets, prices, and the ledger of what was used."""
