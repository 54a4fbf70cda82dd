//! Decoders and encoders of the messages.
