"""The catalogue of faults (docs/failures.md): each row on real sockets, through the whole gateway."""
