"""What a request costs, beside what it could cost at least and what it would cost in the textbook's way."""
