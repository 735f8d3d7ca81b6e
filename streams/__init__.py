"""The shell around the core: Kafka, Faust, clock, logs, metrics and the command line."""
