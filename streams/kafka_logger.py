"""Where librdkafka's own lines go."""

import logging

_NO_NEWS = (
    "enable.gapless.guarantee is experimental",  # chosen knowingly, and tested
    "FAIL [",  # each try to connect, many a second while a broker is away: said once, by health and log
)


def _is_news(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(known in message for known in _NO_NEWS)


def kafka_logger() -> logging.Logger:
    """For every Kafka client: its lines go with ours, less what is no news."""
    logger = logging.getLogger("librdkafka")
    if _is_news not in logger.filters:
        logger.addFilter(_is_news)
    return logger
