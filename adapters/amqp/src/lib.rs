//! Sources and targets over AMQP 0-9-1.
