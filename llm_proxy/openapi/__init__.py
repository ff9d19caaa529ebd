"""What the program's endpoints take and give, as an OpenAPI document and as a page for people."""
