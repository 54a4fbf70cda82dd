//! The gRPC front and its client.
