"""`make chaos`: kill -9 of every role at every fault point, on Apache Kafka, and whether anything was lost or doubled.

Not part of the tests that run at each commit: twenty rounds take a quarter of an hour. Everything random follows from
the seed; what a machine does between two kills does not, so a replay meets the same kills at other moments.
"""
