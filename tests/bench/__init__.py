"""How near Kavox comes to the best that Kaggle's limits allow, and how far from how it all began: `make bench`."""
