//! What is asked over HTTP: the management interface of RabbitMQ.

pub mod management;
