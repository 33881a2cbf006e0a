"""`make live`: the road through real Kaggle, for someone with credentials. It cannot be run where this was written."""
