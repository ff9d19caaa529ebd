"""The clients' side: accepting connections, reading requests and writing answers under Tornado's handlers."""
