//! A seeded generator of a synthetic municipality.
