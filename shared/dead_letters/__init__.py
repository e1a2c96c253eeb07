"""What a consumer cannot use waits on `<topic>.dead` for a person, who may look, replay or drop."""
