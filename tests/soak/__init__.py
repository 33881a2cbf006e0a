"""Ten thousand jobs through the real service, to see that nothing grows: `make soak`."""
