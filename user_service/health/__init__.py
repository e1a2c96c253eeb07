"""Whether this process and what it stands on are well."""
