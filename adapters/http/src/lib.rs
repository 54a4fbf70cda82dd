//! What is asked over HTTP: the management interface of RabbitMQ; and the client by which spans are sent.

pub mod collector;
pub mod management;
