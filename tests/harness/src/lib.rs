//! Private brokers for tests, the demo and the benchmarks.
