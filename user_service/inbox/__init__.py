"""What comes in by Kafka and concerns accounts."""
