//! Intake, registry, deciding again, delivery and reconciliation.
