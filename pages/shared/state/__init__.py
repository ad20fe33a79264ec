"""What a visitor and the server have at hand."""
