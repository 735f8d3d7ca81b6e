"""What machines say over MQTT and in a unified namespace, as our own events."""
