"""The HTTP face. Nothing imports it except `app.main`."""
