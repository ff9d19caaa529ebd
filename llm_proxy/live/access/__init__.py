"""Who may ask, how much, and for how much money. ``loader`` reads ``access.json``, ``accounting`` lets requests in and settles them,
``ledger`` keeps what was used.

Laws: what decides is pure, with time handed in; SQLite (``ledger``) and Redis (``shared``) have one seam each.
"""
