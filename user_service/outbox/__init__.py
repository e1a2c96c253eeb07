"""Events that are committed with what they tell, and produced to Kafka afterwards."""
