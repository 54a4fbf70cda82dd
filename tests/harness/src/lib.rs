//! Private brokers for tests, the demo and the benchmarks: nothing here is shipped.

pub mod books;
pub mod client;
pub mod collector;
pub mod distributor;
pub mod exposition;
pub mod faults;
pub mod gateway;
mod ports;
pub mod proxy;
pub mod rabbitmq;
pub mod receiver;
pub mod responder;
pub mod traffic;
