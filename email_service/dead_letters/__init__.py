"""Mail that cannot be sent waits on `<topic>.dead` for a person, who may look, replay or drop."""
