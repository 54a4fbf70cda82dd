//! Keys, pseudonyms and sealing.
