"""What one client can cost the others: attackers of every kind beside an honest client, and what that client notices.
``make overload``, or ``python -m tests.overload --seconds 10 --only pipeline``; with ``--watch`` it says too what computed longest in one
piece, by which a slow or busy machine can be judged as well."""
