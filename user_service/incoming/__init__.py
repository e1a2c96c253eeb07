"""Messages of Kafka that concern accounts, whoever has sent them."""
