"""Values and rules that know nothing of files, networks or screens."""
